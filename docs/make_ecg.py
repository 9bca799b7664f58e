#!/usr/bin/env python3
"""Draw the picture of ecg.md, from a simulated heart: `python docs/make_ecg.py`."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from monitor.core.artifact.manifest import BeatSpec, WindowSpec
from monitor.core.dataset.cutting import windows_of
from monitor.core.dataset.recording import Recording
from monitor.simulators.ecg import SAMPLE_RATE_HZ, Ecg
from monitor.simulators.fault import Fault

TARGET = Path(__file__).parent / "images" / "beats.png"
SECONDS, FROM_SECONDS = 60.0, 20.0
BEFORE, AFTER = 100, 125  # samples
COLOURS = {"in time": "#0072B2", "premature": "#D55E00"}


def main() -> None:
    """Simulate, cut and draw."""
    taken = Ecg(device=3, faults=[Fault(name="pvc", onset_seconds=15, severity=0.4)]).take(
        round(SECONDS * SAMPLE_RATE_HZ)
    )
    lead = taken.values.astype(np.float32)
    at = np.arange(len(lead)) / SAMPLE_RATE_HZ
    period = 1 / SAMPLE_RATE_HZ
    recording = Recording("heart", ("lead_ii",), lead, at, period, None, np.zeros(len(lead), np.int64))
    beat = BeatSpec(before_samples=BEFORE, max_rr_seconds=3.0)
    windows = windows_of(
        recording, WindowSpec(length=BEFORE + AFTER, stride=250, cut="beat", beat=beat), recording.sample_period_seconds
    )
    peaks = windows.end_seconds - (AFTER - 1) * period
    early = windows.values[:, 2, 0] < -0.2

    figure = Figure(figsize=(9, 6), layout="constrained")
    stretch, shapes, change = figure.subplot_mosaic("AA;BC").values()
    shown = (at >= FROM_SECONDS) & (at < FROM_SECONDS + 10)
    stretch.plot(at[shown], lead[shown, 0], color="black", linewidth=0.8)
    for name, which in (("in time", ~early), ("premature", early)):
        colour, seen = COLOURS[name], which & (peaks >= FROM_SECONDS) & (peaks < FROM_SECONDS + 10)
        stretch.plot(peaks[seen], np.interp(peaks[seen], at, lead[:, 0]), "o", color=colour, label=name)
        offset = (np.arange(BEFORE + AFTER) - BEFORE) * period
        shapes.plot(offset, windows.values[which, 0].T, color=colour, linewidth=0.6, alpha=0.5)
        change.plot(peaks[which], windows.values[which, 2, 0], "o", color=colour, markersize=3)
    stretch.set(xlabel="s", ylabel="lead_ii (mV)")
    stretch.legend()
    shapes.set(title="windows around beats", xlabel="s after the R peak", ylabel="mV")
    change.set(title="rr_change", xlabel="s")
    figure.savefig(TARGET, dpi=80, metadata={"Software": None})


if __name__ == "__main__":
    main()
