#!/usr/bin/env python3
"""Draw the picture of representations.md, from simulated motors: `python docs/make_representations.py`."""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from monitor.core.artifact.normalization_spec import NormalizationSpec
from trainer.data.windows import Windows
from trainer.representations import features_of, fit_representation
from trainer.representations.standardized import Standardized
from trainer.settings import EnvelopeSpectrumSettings, RepresentationSettings, SpectrogramSettings, SpectrumSettings

TARGET = Path(__file__).parent / "images" / "representations.png"
SIMULATE = Path(sys.executable).parent / "residuald"
RATE_HZ = 1000
LENGTH = 1000

# Healthy, and with a pit in the outer race of its bearing: a blow at each passage of a ball, which rings.
MOTORS = {"healthy": (), "pit in the bearing": ("--fault", "bearing_outer", "--fault-after", "0", "--severity", "0.5")}
COLOURS = {"healthy": "#0072B2", "pit in the bearing": "#D55E00"}


def main() -> None:
    """Simulate, represent and draw."""
    windows = {name: _vibration(arguments) for name, arguments in MOTORS.items()}
    figure = Figure(figsize=(9, 10), layout="constrained")
    raw, spectrum, envelope, *spectrograms = figure.subplot_mosaic("AA;BB;CC;DE").values()
    for name, values in windows.items():
        colour = COLOURS[name]
        raw.plot(np.arange(200) / RATE_HZ, values[0, 0, :200], color=colour, label=name, linewidth=1)
        _lines(spectrum, values, SpectrumSettings(segment_samples=256), colour)
        _lines(envelope, values, EnvelopeSpectrumSettings(segment_samples=500, band_hz=(250, 490)), colour)
    raw.legend()
    raw.set(title="raw, a fifth of a second", xlabel="seconds", ylabel="g")
    spectrum.set(title="spectrum", xlabel="Hz", ylabel="log power")
    envelope.set(title="envelope spectrum, 250 to 490 Hz", xlabel="Hz", ylabel="log power", xlim=(0, 250))
    for axes, (name, values) in zip(spectrograms, windows.items(), strict=True):
        image = _features(values, SpectrogramSettings(segment_samples=64))[0, 0, :-2]
        axes.imshow(
            image, origin="lower", aspect="auto", extent=(0, LENGTH / RATE_HZ, 0, RATE_HZ / 2), vmin=-12, vmax=0
        )
        axes.set(title=f"spectrogram, {name}", xlabel="seconds", ylabel="Hz")
    TARGET.parent.mkdir(exist_ok=True)
    figure.savefig(TARGET, dpi=72)


def _vibration(fault: tuple[str, ...]) -> NDArray[np.float32]:
    """Windows [N, 1, L] of one axis of a steadily running motor."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "motor.npz"
        arguments = ("motor", "--duration", "20", "--profile", "steady", *fault, "--out", str(file))
        subprocess.run([SIMULATE, "simulate", *arguments], check=True, stdout=subprocess.DEVNULL)  # noqa: S603
        samples: NDArray[np.float32] = np.load(file)["samples"][:, 0]
    return samples[: len(samples) // LENGTH * LENGTH].reshape(-1, 1, LENGTH)


def _features(values: NDArray[np.float32], settings: RepresentationSettings) -> NDArray[np.float32]:
    """Features [N, 1, F] or [N, 1, H, W] before they are standardized, which would hide how spectra look."""
    columns = np.zeros((len(values), 1), np.float32), np.ones((len(values), 1), np.float32)
    units = NormalizationSpec(kind="fixed", centre=(0.0,), scale=(1.0,), scale_floor=(0.05,))
    windows = Windows(values, *columns)
    standardized, _ = fit_representation(settings, units, windows, 1 / RATE_HZ)
    assert isinstance(standardized, Standardized)  # noqa: S101 - for the type checker
    return features_of(standardized.plain, windows).numpy()


def _lines(axes: Axes, values: NDArray[np.float32], settings: RepresentationSettings, colour: str) -> None:
    """Draw the lines of five windows over one another."""
    lines = _features(values[:5], settings)[:, 0, :-2]
    frequency = (1 + np.arange(lines.shape[1])) / lines.shape[1] * RATE_HZ / 2
    axes.plot(frequency, lines.T, color=colour, linewidth=0.6, alpha=0.6)


if __name__ == "__main__":
    main()
