"""The scripted person of `rules.md`: looks once a day, and says what was wrong and what was not."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from benchmarks.lifecycle.plan import AFTER_REPAIR_DAYS, DAY_SECONDS, Plan
from benchmarks.lifecycle.walk import Seen
from monitor.core.history.label import Label, LabelKind
from monitor.simulators.noise import generator

FOUND_FROM = 0.25  # of its full size, from which on a person finds a fault
LABELLED_SHARE = 0.75  # of the false alarms that are over
ACCEPTED_AFTER_DAYS, MOST_GROWTH = 3.0, 1.3
LEFT_OUT_TWICE = 2
_WHO = "operator"
_PERSON = 4  # the purpose of the generator

# The mean score of a stream between two times; NaN where there is none.
MeanScore = Callable[[str, float, float], float]


@dataclass(slots=True)
class Person:
    """Who watches one fleet. labels: everything that was said so far."""

    plan: Plan
    labels: list[Label] = field(default_factory=list)
    _settled: set[str] = field(default_factory=set)  # ids of alerts that need no more
    _confirmed: set[str] = field(default_factory=set)  # streams
    _repaired: bool = False
    _poisoned: bool = False
    _left_out: dict[str, int] = field(default_factory=dict)  # how many refits in a row

    def look(self, now_seconds: float, alerts: Iterable[Seen], mean_score: MeanScore) -> list[Label]:
        """What the person says today. alerts: all that fired so far."""
        said = len(self.labels)
        self._after_the_repair(now_seconds)
        self._poison(now_seconds)
        for alert in alerts:
            if alert.id not in self._settled:
                self._look_at(alert, now_seconds, mean_score)
        return self.labels[said:]

    def read_report(self, now_seconds: float, left_out: dict[str, float]) -> list[Label]:
        """What the person says to a refit that left streams out, each since when, as too far from their anchors."""
        said = len(self.labels)
        self._left_out = {stream: self._left_out.get(stream, 0) + 1 for stream in left_out}
        for stream, times in list(self._left_out.items()):
            if times < LEFT_OUT_TWICE or stream in self._confirmed:
                continue
            if self._finds_fault(stream, now_seconds):
                self._confirm(stream, left_out[stream], now_seconds)
            else:
                self._accept(stream, left_out[stream], now_seconds, "nothing found; it runs like this now")
            self._left_out[stream] = 0
        return self.labels[said:]

    @property
    def accepts(self) -> list[Label]:
        """How often, and what, the person accepted."""
        return [label for label in self.labels if label.source == "accept"]

    @property
    def faults_accepted(self) -> int:
        """How many of these were of a stream while a fault grew in it."""
        faults = [(self.plan.fault_of(label.stream), label.at_seconds) for label in self.accepts]
        return sum(fault is not None and fault.onset_seconds < at_seconds for fault, at_seconds in faults)

    def _look_at(self, alert: Seen, now_seconds: float, mean_score: MeanScore) -> None:
        stream = alert.stream
        if self._finds_fault(stream, now_seconds) or stream in self._confirmed:
            self._settled.add(alert.id)
            self._confirm(stream, alert.since_seconds, now_seconds)
        elif self._expected_of_repair(alert):
            self._settled.add(alert.id)
        elif alert.until_seconds is not None:
            self._settled.add(alert.id)
            if _chance(self.plan.seed, alert) < LABELLED_SHARE:
                self._say(stream, alert.since_seconds, alert.until_seconds, "false_alarm", now_seconds, "nothing found")
        elif now_seconds - alert.fired_seconds >= ACCEPTED_AFTER_DAYS * DAY_SECONDS:
            first = mean_score(stream, alert.fired_seconds, alert.fired_seconds + DAY_SECONDS)
            last = mean_score(stream, now_seconds - DAY_SECONDS, now_seconds)
            if last <= MOST_GROWTH * first:
                self._settled.add(alert.id)
                self._accept(stream, alert.since_seconds, now_seconds, "nothing found; it runs like this now")

    def _after_the_repair(self, now_seconds: float) -> None:
        begin, end = self.plan.repair
        if self._repaired or now_seconds < end:
            return
        self._repaired = True
        stream = self.plan.streams[self.plan.repaired]
        self._say(stream, begin, end, "maintenance", now_seconds, "new bearings")
        self._accept(stream, end, now_seconds, "new bearings")

    def _poison(self, now_seconds: float) -> None:
        stream, begin, end = self.plan.poisoned
        if not self._poisoned and now_seconds >= end:
            self._poisoned = True
            self._say(stream, begin, end, "false_alarm", now_seconds, "looks fine to me", who="somebody")

    def _finds_fault(self, stream: str, now_seconds: float) -> bool:
        fault = self.plan.fault_of(stream)
        return fault is not None and fault.grown(now_seconds) >= FOUND_FROM

    def _expected_of_repair(self, alert: Seen) -> bool:
        begin, end = self.plan.repair
        own = alert.stream == self.plan.streams[self.plan.repaired]
        return own and begin <= alert.fired_seconds < end + AFTER_REPAIR_DAYS * DAY_SECONDS

    def _confirm(self, stream: str, since_seconds: float, now_seconds: float) -> None:
        if stream not in self._confirmed:
            self._confirmed.add(stream)
            self._say(stream, since_seconds, math.inf, "confirmed", now_seconds, "found, waits for its repair")

    def _accept(self, stream: str, since_seconds: float, now_seconds: float, note: str) -> None:
        self.labels.append(Label(stream, since_seconds, math.inf, "new_normal", _WHO, now_seconds, "accept", note))

    def _say(
        self,
        stream: str,
        from_seconds: float,
        to_seconds: float,
        kind: LabelKind,
        now_seconds: float,
        note: str,
        who: str = _WHO,
    ) -> None:
        self.labels.append(Label(stream, from_seconds, to_seconds, kind, who, now_seconds, "command", note))


def _chance(seed: int, alert: Seen) -> float:
    """A number between 0 and 1 that is the same for the same alert, whatever else happened."""
    return float(generator(seed, _PERSON, int(alert.fired_seconds), *alert.stream.encode()).random())
