"""Rhythm: what the intervals between a stream's heartbeats say, two numbers per beat.

`rr`: seconds since the beat before. `rr_change`: natural logarithm of that interval over the median of the up to eight
before it; 0 where there are none. After a premature beat the heart skips one and comes back in step (compensatory
pause): a beat that is late after an early one counts as late only by what both intervals together are too long.

They are the derived channels of windows around beats, constant over a window.
"""

import math
from collections import deque
from statistics import median
from typing import Annotated

import msgspec

from monitor.core.values.snapshots import LARGEST, Slot, State, typed

_REMEMBERED = 8

Interval = Annotated[int, msgspec.Meta(ge=1, le=LARGEST)]  # in samples


class RhythmState(msgspec.Struct):
    """What is kept of a `Rhythm`."""

    last: Slot | None
    intervals: list[Interval]
    early: bool


class Rhythm:
    """The latest beats of one stream, by their slots on the sample grid."""

    def __init__(self, sample_period_seconds: float) -> None:
        self._period_seconds = sample_period_seconds
        self._last: int | None = None
        self._intervals: deque[int] = deque(maxlen=_REMEMBERED)
        self._early = False  # whether the last beat came early

    def interrupt(self) -> None:
        """Samples are missing: how long ago the last beat was is not known any more."""
        self._last, self._early = None, False

    def beat(self, slot: int) -> tuple[float, float] | None:
        """Note a beat: `rr` and `rr_change`; None for the first, which ends no interval.

        None, too, for one that is not later than the one before: then two peaks were found on one complex.
        """
        last = self._last
        if last is not None and slot <= last:
            return None
        self._last = slot
        if last is None:
            return None
        numbers = self._numbers(slot - last)
        self._early = numbers[1] < 0
        self._intervals.append(slot - last)
        return numbers

    def pause(self, slot: int, run_start: int) -> tuple[float, float]:
        """What can be said where no beat comes: `rr` and `rr_change` as if one came at this slot.

        run_start: from where on we listened.
        """
        return self._numbers(slot - (run_start if self._last is None else self._last))

    def _numbers(self, interval: int) -> tuple[float, float]:
        usual = median(self._intervals) if self._intervals else interval
        change = math.log(interval / usual)
        if self._early and change > 0:
            both = math.log((self._intervals[-1] + interval) / (2 * usual))
            change = max(min(change, both), 0.0)
        return interval * self._period_seconds, change

    def snapshot(self) -> State:
        """What a `RhythmState` says."""
        return {"last": self._last, "intervals": list(self._intervals), "early": self._early}

    def restore(self, state: State) -> None:
        """Go on from a snapshot; raises StateError where it is none."""
        kept = typed(state, RhythmState)
        self._last, self._early = kept.last, kept.early
        self._intervals = deque(kept.intervals, _REMEMBERED)
