"""Recordings of two related sines with injected anomalies: small data that every model family can learn."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monitor.core.dataset.recording import Recording, WindowSet
from trainer.data.cutting import DataFile

RATE_HZ = 50.0


def sine_recording(
    count: int = 6000, seed: int = 0, anomalies: int = 0, noise: float = 0.05, period_seconds: float = 1 / RATE_HZ
) -> Recording:
    """Make `count` samples of channels `a` and `b`; `a` runs four times as fast in `anomalies` stretches."""
    rng = np.random.default_rng(seed)
    at = np.arange(count, dtype=np.float64) * period_seconds
    phase = 2 * np.pi * (at * 1.3 + 0.1 * np.sin(0.4 * at) + rng.uniform())
    labels = np.zeros(count, np.int8)
    pace = np.ones(count)
    for start in np.linspace(count * 0.1, count * 0.95, anomalies).astype(int):
        labels[start : start + 25] = 1
        pace[start : start + 25] = 4
    samples = np.stack([10 + 3 * np.sin(pace * phase), 0.2 * np.cos(phase)], axis=1)
    samples += rng.normal(0, noise, samples.shape) * [3, 0.2]
    return Recording(
        name=f"sine-{seed}.npz",
        channels=("a", "b"),
        samples=samples.astype(np.float32),
        time_seconds=at,
        sample_period_seconds=period_seconds,
        labels=labels if anomalies else None,
        segment=np.zeros(count, np.int64),
    )


def data_file(content: Recording | WindowSet, name: str | None = None) -> DataFile:
    """Wrap a recording as if it had been read from a file."""
    name = name or content.name
    return DataFile(name, f"{abs(hash(name)):064x}"[:64], content)


def write_npz(path: Path, recording: Recording) -> Path:
    """Write a recording as NPZ of samples."""
    arrays: dict[str, NDArray[np.generic]] = {"samples": recording.samples, "time": recording.time_seconds}
    if recording.labels is not None:
        arrays["labels"] = recording.labels
    np.savez(path, channels=np.array(recording.channels), **arrays)  # type: ignore[arg-type] # numpy types `allow_pickle` in the way
    return path
