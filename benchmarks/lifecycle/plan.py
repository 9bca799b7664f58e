"""What happens to whom in a quarter: ageing, a repair, new devices, faults and a poisoned label, drawn from a seed."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.simulators.noise import generator

DAY_SECONDS = 86400.0
SAMPLE_SECONDS = 600.0
START_SECONDS = 1_767_571_200.0  # Monday, 5 January 2026
COMMISSIONING_DAYS, QUARTER_DAYS, WEEK_DAYS = 28, 91, 7
MOTORS, NEW_MOTORS, AGEING_MOTORS = 30, 2, 12
CHANNELS = ("vibration_de", "vibration_nde", "current", "winding", "bearing", "ambient")
REPAIR_DAYS = 8 / 24
AFTER_REPAIR_DAYS = 8.0  # until when alerts of a repaired motor have a cause
POISONED_DAYS = 3.0

_PLAN = 0  # the purpose of the generator


@dataclass(frozen=True, slots=True)
class FaultKind:
    """A fault that grows. size: what it comes to when fully grown, in the unit that `motors.py` applies it by.

    ages: whether its motor ages, too. growth_days: from onset to full size.
    """

    name: str
    channel: str
    size: float
    growth_days: float
    ages: bool


FAULTS = (
    FaultKind("wear", "vibration_de", math.log(2.2), 5.0, ages=True),
    FaultKind("imbalance", "vibration_nde", math.log(3.0), 10.0, ages=False),
    FaultKind("cooling", "winding", 0.5, 21.0, ages=False),
    FaultKind("lubrication", "bearing", 1.0, 28.0, ages=True),
)


@dataclass(frozen=True, slots=True)
class GrowingFault:
    """A fault of one motor. onset_day: counted from the start of commissioning."""

    kind: FaultKind
    motor: int
    onset_day: float

    @property
    def onset_seconds(self) -> float:
        """When it begins."""
        return seconds_of(self.onset_day)

    @property
    def grown_seconds(self) -> float:
        """From when on it grows no more."""
        return seconds_of(self.onset_day + self.kind.growth_days)

    def grown(self, now_seconds: float) -> float:
        """How far it has grown: 0 at its onset, 1 fully."""
        part = (now_seconds - self.onset_seconds) / (self.grown_seconds - self.onset_seconds)
        return min(max(part, 0.0), 1.0)


@dataclass(frozen=True, slots=True)
class Plan:
    """The quarter of one seed. Motors are numbered from 0; the last ones are new.

    season_kelvin: by how much the hall is warmer at the end. ageing: by motor, the growth of the logarithm of its
    drive-end vibration over the quarter. first_day: by motor, when its samples begin. repair_day: of `repaired`.
    """

    seed: int
    season_kelvin: float
    ageing: tuple[float, ...]
    first_day: tuple[float, ...]
    repaired: int
    repair_day: float
    faults: tuple[GrowingFault, ...]

    @classmethod
    def draw(cls, seed: int, motors: int = MOTORS) -> "Plan":
        """Draw a quarter. motors: at least 12; of a smaller fleet fewer age."""
        rng = generator(seed, _PLAN)
        old = motors - NEW_MOTORS
        order = rng.permutation(old).tolist()
        ageing_count = round(motors * AGEING_MOTORS / MOTORS)
        ageing, steady = order[:ageing_count], order[ageing_count:]
        growth = [0.0] * motors
        for motor in ageing:
            growth[motor] = math.log1p(rng.uniform(0.08, 0.25))
        faults = []
        takers = {True: iter(ageing), False: iter(steady)}
        for kind in FAULTS:
            onset = COMMISSIONING_DAYS + rng.uniform(14, 45)
            faults.append(GrowingFault(kind, next(takers[kind.ages]), onset))
        begins = [COMMISSIONING_DAYS + day for day in rng.uniform(14, 42, NEW_MOTORS).tolist()]
        season = rng.uniform(3, 6) * rng.choice((-1, 1))
        repair_day = COMMISSIONING_DAYS + math.floor(rng.uniform(38, 53)) + 10 / 24
        return cls(
            seed=seed,
            season_kelvin=float(season),
            ageing=tuple(growth),
            first_day=(*[0.0] * old, *begins),
            repaired=next(takers[False]),
            repair_day=repair_day,
            faults=tuple(faults),
        )

    @property
    def streams(self) -> tuple[str, ...]:
        """The names of the motors."""
        return tuple(f"motor-{number + 1:02}" for number in range(len(self.ageing)))

    @property
    def repair(self) -> tuple[float, float]:
        """From when to when the repaired motor stands still, in seconds."""
        return seconds_of(self.repair_day), seconds_of(self.repair_day + REPAIR_DAYS)

    @property
    def poisoned(self) -> tuple[str, float, float]:
        """The stream and the interval, in seconds, that somebody calls a false alarm while a fault grows in it."""
        fault = next(fault for fault in self.faults if fault.kind.name == "cooling")
        begin = fault.onset_seconds + (fault.grown_seconds - fault.onset_seconds) / 2
        return self.streams[fault.motor], begin, begin + POISONED_DAYS * DAY_SECONDS

    def fault_of(self, stream: str) -> GrowingFault | None:
        """The fault of a stream, if it gets one."""
        number = self.streams.index(stream)
        return next((fault for fault in self.faults if fault.motor == number), None)

    def causes(self, stream: str) -> Iterator[tuple[float, float]]:
        """From when to when, in seconds, alerts of a stream have a cause."""
        fault = self.fault_of(stream)
        if fault is not None:
            yield fault.onset_seconds, math.inf
        if stream == self.streams[self.repaired]:
            yield self.repair[0], self.repair[1] + AFTER_REPAIR_DAYS * DAY_SECONDS


def seconds_of(day: float) -> float:
    """Epoch seconds of a day, counted from the start of commissioning."""
    return START_SECONDS + day * DAY_SECONDS


def has_cause(plan: Plan, stream: str, at_seconds: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether alerts at these moments have a cause: bool [N]. at_seconds: float64 [N]."""
    found = np.zeros(len(at_seconds), np.bool_)
    for begin, end in plan.causes(stream):
        found |= (at_seconds >= begin) & (at_seconds < end)
    return found


END_SECONDS = seconds_of(COMMISSIONING_DAYS + QUARTER_DAYS)
