"""A small fleet of motors as a historian keeps it: five-minute means of vibration and bearing temperature."""

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from monitor.core.dataset.recording import Recording
from trainer.data.cutting import DataFile
from trainer.settings import FitSettings, load_settings

CHANNELS = ("vibration", "bearing")
PERIOD_SECONDS = 300.0
PER_DAY = 288
DAY_SECONDS = 86400.0

Floats = NDArray[np.float64]


def fleet_settings() -> FitSettings:
    """A quick model; each motor learns what is usual for it in two days."""
    return load_settings(
        None,
        {
            "model.family": "pca",
            "window.length": 16,
            "window.stride": 8,
            "normalization.kind": "stream",
            "normalization.warmup_windows": 72,
        },
    )


def motor(
    number: int,
    first_day: float,
    days: float,
    *,
    season_kelvin: float = 0.0,
    wear: float = 0.0,
    friction_kelvin: float = 0.0,
    name: str | None = None,
) -> DataFile:
    """A recording of one motor.

    season_kelvin: the hall is so much warmer than at day 0. wear: the vibration is 1 + wear times as large at the end,
    and the bearing warmer by friction_kelvin; both grow from the beginning of the recording on.
    """
    traits, rng = np.random.default_rng([7, number]), np.random.default_rng([8, number, int(first_day * PER_DAY)])
    count = round(days * PER_DAY)
    day = first_day + np.arange(count) / PER_DAY
    grown = np.linspace(0, 1, count)
    load = 0.6 + 0.25 * np.sin(2 * np.pi * (day + traits.uniform(0, 0.1))) + _wander(rng, count, 0.06)
    hall = 20 + season_kelvin + 2 * np.sin(2 * np.pi * (day - 0.4))
    vibration = traits.uniform(0.9, 1.5) * (0.6 + 0.5 * load) * np.exp(_wander(rng, count, 0.06)) * (1 + wear * grown)
    rise = lfilter([0.06], [1, -0.94], 18 * load, zi=[0.94 * 18 * load[0]])[0]
    bearing = hall + traits.normal(0, 1.5) + rise + friction_kelvin * grown + 0.2 * rng.standard_normal(count)
    name = name or f"motor-{number}"
    recording = Recording(
        name=name,
        channels=CHANNELS,
        samples=np.stack([vibration, bearing], axis=1).astype(np.float32),
        time_seconds=1.7e9 + day * DAY_SECONDS,
        sample_period_seconds=PERIOD_SECONDS,
        labels=None,
        segment=np.zeros(count, np.int64),
    )
    return DataFile(name, f"{abs(hash((name, first_day, wear, friction_kelvin))):064x}"[:64], recording)


def _wander(rng: np.random.Generator, count: int, deviation: float) -> Floats:
    """Noise that forgets within some three hours: float64 [count]."""
    keep = 0.97
    kicks = deviation * np.sqrt(1 - keep**2) * rng.standard_normal(count)
    return np.asarray(lfilter([1.0], [1.0, -keep], kicks))
