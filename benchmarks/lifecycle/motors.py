"""Samples of a fleet for a quarter: means over ten minutes, as a plant's historian keeps them.

Load follows working hours and wanders; current follows load, temperatures follow current and load behind time and stand
on the hall's temperature, vibration follows load and wear. Numbers are of the size that such motors show (Randall,
"Vibration-based Condition Monitoring", 2011; IEC 60034-1 for temperatures), not of any one of them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from benchmarks.lifecycle.plan import (
    CHANNELS,
    COMMISSIONING_DAYS,
    DAY_SECONDS,
    QUARTER_DAYS,
    SAMPLE_SECONDS,
    START_SECONDS,
    Plan,
)
from monitor.simulators.noise import OrnsteinUhlenbeck, generator

Floats = NDArray[np.float64]

_HALL, _TRAITS, _NOISE = 1, 2, 3  # purposes of generators
_HOUR = 3600.0
_WINDING_LAG_SECONDS, _BEARING_LAG_SECONDS = 2700.0, 4500.0
_NO_LOAD_CURRENT = 0.35  # of the rated current
_NO_WORK = 0.3  # load while the machine idles
_SHIFTS, _WEEKEND = (1.0, 0.95, 0.85), 0.75  # of what is added to that while it works
_HAND_OVER_SECONDS = 5400.0
_REPAIRED_VIBRATION, _REPAIRED_FRICTION = 0.7, 0.8
_AGED_FRICTION = 0.35  # how much of the growth of vibration friction takes part in


@dataclass(frozen=True, slots=True)
class Samples:
    """What a fleet delivers. time_seconds: float64 [n]. values: float32 [M, n, C], NaN before a motor begins."""

    time_seconds: Floats
    values: NDArray[np.float32]

    def between(self, begin_seconds: float, end_seconds: float) -> "Samples":
        """The samples from `begin_seconds` on, before `end_seconds`."""
        first, last = np.searchsorted(self.time_seconds, (begin_seconds, end_seconds)).tolist()
        return Samples(self.time_seconds[first:last], self.values[:, first:last])


def simulate(plan: Plan) -> Samples:
    """All samples of commissioning and quarter. Equal plans give equal samples."""
    count = round((COMMISSIONING_DAYS + QUARTER_DAYS) * DAY_SECONDS / SAMPLE_SECONDS)
    time = START_SECONDS + np.arange(count, dtype=np.float64) * SAMPLE_SECONDS
    hall = _hall(plan, time)
    values = np.stack([_motor(plan, number, time, hall) for number in range(len(plan.ageing))])
    return Samples(time, values.astype(np.float32))


def _hall(plan: Plan, time: Floats) -> Floats:
    """The temperature of the hall [n] in degC: the season is a half wave, the weather wanders within days."""
    day = (time - START_SECONDS) / DAY_SECONDS
    season = plan.season_kelvin * (1 - np.cos(np.pi * np.clip(day - COMMISSIONING_DAYS, 0, None) / QUARTER_DAYS)) / 2
    weather = OrnsteinUhlenbeck(generator(plan.seed, _HALL), 3 * DAY_SECONDS, 1.0, 1 / SAMPLE_SECONDS).take(len(time))
    return np.asarray(21 + season + weather + 2.5 * np.sin(2 * np.pi * (day - 0.4)))


def _motor(plan: Plan, number: int, time: Floats, hall: Floats) -> Floats:
    """All channels of one motor: [n, C]."""
    traits = generator(plan.seed, _TRAITS, number)
    rng = generator(plan.seed, _NOISE, number)
    count, day = len(time), (time - START_SECONDS) / DAY_SECONDS
    aged = plan.ageing[number] * np.clip((day - COMMISSIONING_DAYS) / QUARTER_DAYS, 0, None)
    begin, end = plan.repair
    repaired = (time >= end) if number == plan.repaired else np.zeros(count, np.bool_)
    size = {
        fault.kind.name: fault.kind.size * np.array(_grown(fault.onset_seconds, fault.grown_seconds, time))
        for fault in plan.faults
        if fault.motor == number
    }
    nothing = np.zeros(count)

    load = _load(traits, rng, day)
    standing = (time >= begin) & (time < end) if number == plan.repaired else np.zeros(count, np.bool_)
    load[standing] = 0.0
    turning = np.where(standing, 0.02, 1.0)
    current = np.hypot(_NO_LOAD_CURRENT, 0.94 * load) * turning
    friction = np.exp(_AGED_FRICTION * aged) * np.where(repaired, _REPAIRED_FRICTION, 1.0)
    friction = friction * (1 + size.get("lubrication", nothing))
    winding_rise = traits.uniform(56, 62) * (0.3 * turning + 0.7 * current**2) * (1 + size.get("cooling", nothing))
    bearing_rise = traits.uniform(16, 19) * (0.5 + 0.5 * load) * friction * turning
    place = traits.normal(0, 1.5)
    wear = aged + size.get("wear", nothing) + np.log(np.where(repaired, _REPAIRED_VIBRATION, 1.0))
    level_de, level_nde = traits.uniform(0.9, 1.6), traits.uniform(0.7, 1.3)
    columns = {
        "vibration_de": level_de * _shaking(rng, load) * np.exp(wear) * turning,
        "vibration_nde": level_nde * _shaking(rng, load) * np.exp(size.get("imbalance", nothing)) * turning,
        "current": traits.uniform(7, 9) * current * (1 + 0.01 * rng.standard_normal(count)),
        "winding": hall + place + _behind(winding_rise, _WINDING_LAG_SECONDS) + 0.2 * rng.standard_normal(count),
        "bearing": hall + place + _behind(bearing_rise, _BEARING_LAG_SECONDS) + 0.2 * rng.standard_normal(count),
        "ambient": hall + place + 0.2 * rng.standard_normal(count),
    }
    values = np.stack([columns[channel] for channel in CHANNELS], axis=1)
    values[day < plan.first_day[number]] = np.nan
    return values


def _grown(onset: float, grown: float, time: Floats) -> Floats:
    return np.asarray(np.clip((time - onset) / (grown - onset), 0, 1))


def _load(traits: np.random.Generator, rng: np.random.Generator, day: Floats) -> Floats:
    """The load [n] relative to the rated one: three shifts on working days, less at weekends, and a slow wander."""
    level, shift = traits.uniform(0.77, 0.83), traits.uniform(-0.5, 0.5) / 24
    since_monday = np.mod(day + shift - 6 / 24, 7)  # the early shift of Monday begins at 6
    turn = np.floor(np.mod(since_monday, 1) * len(_SHIFTS)).astype(np.int64)
    working = np.where(since_monday < 5, np.array(_SHIFTS)[turn], _WEEKEND)
    wander = OrnsteinUhlenbeck(rng, 3 * _HOUR, 0.09, 1 / SAMPLE_SECONDS).take(len(day))
    planned = _NO_WORK + (level - _NO_WORK) * _behind(working, _HAND_OVER_SECONDS)
    return np.asarray(np.clip(planned + wander, 0.05, 1.1))


def _shaking(rng: np.random.Generator, load: Floats) -> Floats:
    """Vibration [n] of a healthy bearing, relative to its usual level: with load, and wandering a little by itself."""
    wander = OrnsteinUhlenbeck(rng, _HOUR, 0.05, 1 / SAMPLE_SECONDS).take(len(load))
    return np.asarray((0.5 + 0.6 * load) * np.exp(wander + 0.02 * rng.standard_normal(len(load))))


def _behind(values: Floats, lag_seconds: float) -> Floats:
    """A first-order lag behind `values` [n]."""
    keep = float(np.exp(-SAMPLE_SECONDS / lag_seconds))
    followed, _ = lfilter([1 - keep], [1, -keep], values, zi=np.array([keep * values[0]]))
    return np.asarray(followed)
