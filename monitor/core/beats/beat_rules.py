"""Beat rules: which peaks of a heart's slope envelope are beats. Times are slots of the sample grid.

The rules are those of Pan & Tompkins, "A real-time QRS detection algorithm", IEEE Trans. Biomed. Eng. 32 (1985) 230,
as refined by Hamilton, "Open source ECG analysis", Computers in Cardiology 29 (2002) 101:

* Of peaks that are closer than the refractory period only the highest counts.
* A peak is a beat when it exceeds a threshold between the level of past beats and the level of past noise; either level
  is the median of the last eight, so that an artefact does not carry it away.
* A peak shortly after a beat and much lower is that beat's T wave.
* When a beat is overdue, the highest peak since the last one is looked at again, by half the threshold (search-back).
* When none came for the longest RR interval, that is an event of its own: a pause, told again every stride. With the
  first pauses the level of beats is lowered, so that a signal that became weaker is found again.

A rule is applied at the slot at which its outcome is certain, and sees only peaks before that slot. So the events do
not depend on how the samples were grouped.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

import msgspec

from monitor.core.values.snapshots import Count, Slot, State, typed

REFRACTORY_SECONDS = 0.2  # no heart beats twice within it
LEARNING_SECONDS = 3  # of a new stream, to learn how high its beats are
_T_WAVE_SECONDS = 0.36  # a T wave may follow its beat so closely
_T_WAVE_HEIGHT = 0.5  # and is lower than this part of the beat
_THRESHOLD = 0.35  # so far between noise and beats
_SEARCH_BACK_THRESHOLD = 0.5  # times the threshold
_SEARCH_BACK_RR = 1.5  # times the median RR interval: then a beat is overdue
_LOWERING_PAUSES = 3  # with each of these the level of beats is halved
_CLEAR_OF_NOISE = 3.0  # in a pause a beat is higher than noise so many times, or noise would end it
_REMEMBERED = 8


class Peak(NamedTuple):
    """A local maximum of the envelope."""

    slot: Slot
    height: float


class Pause(NamedTuple):
    """No beat came for the longest RR interval before this slot."""

    slot: int


class BeatRulesState(msgspec.Struct):
    """What is kept of `BeatRules`."""

    beat_heights: list[float]
    noise_heights: list[float]
    rr: list[Slot]
    begin: Slot
    last: Peak | None
    highest: Peak | None
    overlooked: Peak | None
    to_learn: list[Peak]
    pauses: Count
    next_pause: Slot


@dataclass(frozen=True, slots=True)
class BeatTimes:
    """The times behind the rules, in samples."""

    refractory: int
    learning: int
    t_wave: int
    max_rr: int
    stride: int

    @classmethod
    def of(cls, sample_period_seconds: float, max_rr_seconds: float, stride_samples: int) -> "BeatTimes":
        """The times at a sample rate."""

        def samples(seconds: float) -> int:
            return round(seconds / sample_period_seconds)

        return cls(
            samples(REFRACTORY_SECONDS),
            samples(LEARNING_SECONDS),
            samples(_T_WAVE_SECONDS),
            samples(max_rr_seconds),
            stride_samples,
        )

    @property
    def longest_delay(self) -> int:
        """How many slots after a peak it is decided on at the latest."""
        return max(self.max_rr, self.learning) + self.refractory


class BeatRules:
    """What is known of one stream's beats. Feed every peak once, in order."""

    def __init__(self, times: BeatTimes) -> None:
        self._times = times
        self._beat_heights: deque[float] = deque(maxlen=_REMEMBERED)
        self._noise_heights: deque[float] = deque(maxlen=_REMEMBERED)
        self._rr: deque[int] = deque(maxlen=_REMEMBERED)
        self.start(0)

    def start(self, slot: int) -> None:
        """Begin a run of samples without a gap. Levels stay, if there are any."""
        self._begin = slot  # of the run, or of the learning
        self._last: Peak | None = None  # the last beat
        self._highest: Peak | None = None  # waits for the refractory period to pass
        self._overlooked: Peak | None = None  # the highest since the last beat that was no beat
        self._to_learn: list[Peak] = []
        self._pauses = 0
        listen = self._times.max_rr if self._beat_heights else max(self._times.max_rr, self._times.learning)
        self._next_pause = slot + listen + self._times.refractory

    def feed(self, peaks: Iterable[Peak], until: int) -> Iterator[Peak | Pause]:
        """Take in the peaks of the slots before `until`; give beats and pauses, in the order they are certain."""
        for peak in peaks:
            yield from self._let_pass(peak.slot)
            if self._beat_heights:
                self._take(peak)
            else:
                self._to_learn.append(peak)
        yield from self._let_pass(until)

    def _take(self, peak: Peak) -> None:
        too_close = self._last is not None and peak.slot - self._last.slot < self._times.refractory
        if not too_close and (self._highest is None or peak.height > self._highest.height):
            self._highest = peak

    def _let_pass(self, now: int) -> Iterator[Peak | Pause]:
        """Apply the rules that are due before slot `now`, in the order of time."""
        while True:
            certain = self._highest.slot + self._times.refractory if self._highest is not None else now
            overdue = self._overdue_slot() if self._overlooked is not None else now
            learnt = self._begin + self._times.learning if not self._beat_heights else now
            first = min(certain, overdue, learnt, self._next_pause)
            if first >= now:
                return
            if first == learnt:
                yield from self._learn()
            elif first == certain and self._highest is not None:
                peak, self._highest = self._highest, None
                if self._is_beat(peak):
                    yield self._accept(peak)
            elif first == overdue and self._overlooked is not None:
                peak, self._overlooked = self._overlooked, None
                if peak.height > _SEARCH_BACK_THRESHOLD * self._threshold():
                    yield self._accept(peak)
            else:
                self._next_pause += self._times.stride
                self._lower()
                yield Pause(first)

    def _learn(self) -> Iterator[Peak | Pause]:
        """Learn the level of beats from the highest peak of each second, then take in what waited meanwhile."""
        waited, self._to_learn = self._to_learn, []
        highest = [0.0] * LEARNING_SECONDS
        for peak in waited:
            second = (peak.slot - self._begin) * LEARNING_SECONDS // (self._times.learning + 1)
            highest[second] = max(highest[second], peak.height)
        self._begin += self._times.learning
        level = median(highest)
        if level > 0:  # else nothing moves yet
            self._beat_heights.append(level)
            for peak in waited:
                yield from self._let_pass(peak.slot)
                self._take(peak)

    def _overdue_slot(self) -> int:
        """When the overlooked peak is looked at again."""
        if self._last is None or self._overlooked is None:
            return self._next_pause
        usual = median(self._rr) if self._rr else self._times.max_rr
        overdue = self._last.slot + min(round(_SEARCH_BACK_RR * usual), self._times.max_rr)
        return max(overdue, self._overlooked.slot + self._times.refractory)

    def _threshold(self) -> float:
        noise = median(self._noise_heights) if self._noise_heights else 0.0
        threshold = noise + _THRESHOLD * max(median(self._beat_heights) - noise, 0.0)
        return max(threshold, _CLEAR_OF_NOISE * noise) if self._pauses else threshold

    def _is_beat(self, peak: Peak) -> bool:
        last = self._last
        after_beat = last is not None and peak.slot - last.slot < self._times.t_wave
        if after_beat and last is not None and peak.height < _T_WAVE_HEIGHT * last.height:
            self._noise_heights.append(peak.height)
            return False
        if peak.height > self._threshold():
            return True
        self._noise_heights.append(peak.height)
        if not after_beat and (self._overlooked is None or peak.height > self._overlooked.height):
            self._overlooked = peak
        return False

    def _accept(self, peak: Peak) -> Peak:
        if self._last is not None and self._pauses == 0:
            self._rr.append(peak.slot - self._last.slot)
        if self._pauses:
            lowered = 2 ** min(self._pauses, _LOWERING_PAUSES)
            if peak.height > _THRESHOLD * lowered * median(self._beat_heights):  # beats did not become weaker after all
                self._scale_level(lowered)
        self._last, self._overlooked, self._pauses = peak, None, 0
        self._beat_heights.append(peak.height)
        self._next_pause = peak.slot + self._times.max_rr + self._times.refractory
        return peak

    def _lower(self) -> None:
        self._pauses += 1
        if self._pauses <= _LOWERING_PAUSES:
            self._scale_level(1 / 2)

    def _scale_level(self, factor: float) -> None:
        self._beat_heights = deque((factor * height for height in self._beat_heights), _REMEMBERED)

    def snapshot(self) -> State:
        """What a `BeatRulesState` says."""
        return {
            "beat_heights": list(self._beat_heights),
            "noise_heights": list(self._noise_heights),
            "rr": list(self._rr),
            "begin": self._begin,
            "last": self._last,
            "highest": self._highest,
            "overlooked": self._overlooked,
            "to_learn": list(self._to_learn),
            "pauses": self._pauses,
            "next_pause": self._next_pause,
        }

    def restore(self, state: State) -> None:
        """Go on from a snapshot; raises StateError where it is none."""
        kept = typed(state, BeatRulesState)
        self.start(kept.begin)
        self._beat_heights.extend(kept.beat_heights)
        self._noise_heights.extend(kept.noise_heights)
        self._rr.extend(kept.rr)
        self._last, self._highest, self._overlooked = kept.last, kept.highest, kept.overlooked
        self._to_learn = kept.to_learn
        self._pauses, self._next_pause = kept.pauses, kept.next_pause
