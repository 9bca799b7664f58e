"""Recordings of simulated hearts."""

import numpy as np

from monitor.core.dataset.recording import Recording
from monitor.simulators.ecg import Ecg
from monitor.simulators.fault import Fault

RATE_HZ = 250.0


def heart_recording(
    seconds: float = 150.0, *, device: int = 1, run: int = 0, faults: tuple[Fault, ...] = ()
) -> Recording:
    """Lead II of one simulated patient, labelled as the simulator does."""
    count = round(seconds * RATE_HZ)
    taken = Ecg(device=device, run=run, faults=faults).take(count)
    return Recording(
        name=f"heart-{device}-{run}.npz",
        channels=("lead_ii",),
        samples=taken.values.astype(np.float32),
        time_seconds=np.arange(count) / RATE_HZ,
        sample_period_seconds=1 / RATE_HZ,
        labels=(taken.faults > 0).astype(np.int8) if faults else None,
        segment=np.zeros(count, np.int64),
    )
