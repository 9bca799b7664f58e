"""What `fit` makes of the recordings of a fleet, by the settings that all models of all arms share."""

import hashlib
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.lifecycle.motors import Samples
from benchmarks.lifecycle.plan import CHANNELS, DAY_SECONDS, SAMPLE_SECONDS
from monitor.core.dataset.recording import Recording
from trainer.data.cutting import DataFile
from trainer.data.gathering import gather
from trainer.fitting.fit import FitResult, fit
from trainer.settings import FitSettings, load_settings

MODEL = "motor"
WINDOW, STRIDE = 16, 8
WARMUP_DAYS = 7  # a working week: less shows not what is usual for a motor
_SETTINGS: dict[str, Any] = {
    "model.family": "pca",
    "model.components": 0.95,
    "window.length": WINDOW,
    "window.stride": STRIDE,
    "normalization.kind": "stream",
    "normalization.warmup_windows": round(WARMUP_DAYS * DAY_SECONDS / SAMPLE_SECONDS / STRIDE),
}


def fit_settings(seed: int, **changes: Any) -> FitSettings:
    """The settings of all models. changes: by dotted path with `__` for the dots."""
    return load_settings(None, _SETTINGS | {"seed": seed} | {key.replace("__", "."): changes[key] for key in changes})


def recordings_of(samples: Samples, streams: tuple[str, ...]) -> list[DataFile]:
    """What a historian would export: a recording of each motor that has begun."""
    files = []
    for name, values in zip(streams, samples.values, strict=True):
        there = np.isfinite(values).all(axis=1)
        if there.any():
            time = samples.time_seconds[there]
            files.append(file_of(name, CHANNELS, values[there], time, SAMPLE_SECONDS))
    return files


def fit_to(files: list[DataFile], settings: FitSettings, now_seconds: float) -> FitResult:
    """What `residuald-trainer fit` makes of recordings at this time."""
    now = datetime.fromtimestamp(now_seconds, UTC)
    return fit(gather(files, settings), settings, MODEL, now, lambda *_: None)


def file_of(
    name: str, channels: tuple[str, ...], values: NDArray[np.float32], time: NDArray[np.float64], period: float
) -> DataFile:
    """A recording of one stream without breaks. values: float32 [n, C]. time: float64 [n]. period: in seconds."""
    recording = Recording(name, channels, values, time, period, None, np.zeros(len(time), np.int64))
    return DataFile(name, hashlib.sha256(values.tobytes() + time.tobytes()).hexdigest(), recording)
