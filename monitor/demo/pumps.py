"""Pumps that are measured once a minute, so that weeks of them fit into seconds; and what happens to them.

In their first days they are normal, and a model is fitted. Then the first is serviced and runs warmer from there on,
and the second is flushed once, which is harmless and looks like a fault. At last the water that cools them all runs
short: a fault that grows each day, too slowly for any alert.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PERIOD_SECONDS = 60.0
CHANNELS = {"power": "kW", "heat": "degC"}
TOPIC = "house/{device}/pump"
PUMPS = tuple(f"pump-{number}" for number in range(1, 7))  # it takes five to tell what all of them do together

FITTED_DAYS = 10  # that the model is fitted to
SERVICED_DAY, FLUSHED_DAY, SHORT_DAY = 12.0, 15.0, 23.0
LAST_DAYS = (23, 33)  # with which the first and the second part of the story end
DAY_SECONDS = 86_400.0

_DAY_SAMPLES = round(DAY_SECONDS / PERIOD_SECONDS)
_MESSAGE_SAMPLES = 240
_SERVICED_DEGREES, _FLUSHED_DEGREES, _SHORT_DEGREES_PER_DAY = 2.0, 3.0, 0.3
_FLUSHED_SAMPLES = 180


@dataclass(frozen=True, slots=True)
class Message:
    """What a pump sends at once: samples [n, 2], the first of them at `first_seconds` (since 1970)."""

    pump: str
    first_seconds: float
    samples: NDArray[np.float64]


class Pumps:
    """The same weeks whenever they are asked for. start_seconds: when the first day begins, since 1970."""

    def __init__(self, start_seconds: float) -> None:
        self.start_seconds = start_seconds

    def time_of(self, day: float) -> float:
        """When a day begins, in seconds since 1970."""
        return self.start_seconds + day * DAY_SECONDS

    def samples(self, pump: str, day: int) -> NDArray[np.float64]:
        """One day of a pump: float64 [1440, 2], power and heat."""
        number = PUMPS.index(pump)
        rng = np.random.default_rng([number, day])
        at = day * _DAY_SAMPLES + np.arange(_DAY_SAMPLES, dtype=np.float64)
        power = 5 + np.sin(2 * np.pi * at / 60) + rng.normal(0, 0.2, _DAY_SAMPLES)
        heat = 40 + number + 0.5 * power + rng.normal(0, 0.2, _DAY_SAMPLES)
        days = at / _DAY_SAMPLES
        if number == 0:
            heat += _SERVICED_DEGREES * (days >= SERVICED_DAY)
        elif number == 1:
            since = (days - FLUSHED_DAY) * _DAY_SAMPLES
            heat += _FLUSHED_DEGREES * ((since >= 0) & (since < _FLUSHED_SAMPLES))
        heat += _SHORT_DEGREES_PER_DAY * np.maximum(days - SHORT_DAY, 0)
        return np.stack([power, heat], axis=1)

    def messages(self, first_day: int, last_day: int) -> Iterator[Message]:
        """What all pumps send from one day to another, by time."""
        for day in range(first_day, last_day):
            whole = {pump: self.samples(pump, day) for pump in PUMPS}
            for first in range(0, _DAY_SAMPLES, _MESSAGE_SAMPLES):
                began = self.time_of(day) + first * PERIOD_SECONDS
                for pump in PUMPS:
                    yield Message(pump, began, whole[pump][first : first + _MESSAGE_SAMPLES])
