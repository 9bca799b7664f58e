"""What an arm's alerts come to, by `rules.md`: false alarms, faults caught and learnt, time firing without cause."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import poisson

from benchmarks.lifecycle.plan import DAY_SECONDS, END_SECONDS, Plan, has_cause
from benchmarks.lifecycle.walk import ScoreSeries, Seen
from monitor.core.alerting.decision_rule import DecisionSettings
from trainer.calibration.alerts_at_threshold import ErrorSeries, fired_alerts

BUDGET_DAYS = 30.0  # one false alarm per stream in so many days
FLEET_FACTOR, STREAM_LEVEL = 1.5, 0.999
LEARNT_DAYS, LEARNT_SHARE = 7.0, 0.5
NAMING_SECONDS = DAY_SECONDS  # a person looks once a day
_MATCHING_STEPS = 24  # of a bisection: to a ten-millionth of the range of thresholds


@dataclass(frozen=True, slots=True)
class FaultOutcome:
    """What became of a fault. delay_days: from onset to the alert that caught it; grown: how far it had come by then.

    anomalous: the share of judged windows that are anomalous while it has grown fully, at the end.
    """

    kind: str
    stream: str
    channel: str
    delay_days: float | None
    grown: float | None
    anomalous: float

    @property
    def caught(self) -> bool:
        """Whether an alert began after the onset and named the channel."""
        return self.delay_days is not None

    @property
    def learnt(self) -> bool:
        """Whether it counts as normal in the end."""
        return self.anomalous < LEARNT_SHARE


@dataclass(frozen=True, slots=True)
class StreamOutcome:
    """One stream. days: judged without cause; false_alarms: that began in them; firing: the share of them."""

    stream: str
    days: float
    false_alarms: int
    firing: float

    @property
    def most(self) -> int:
        """As many false alarms as the budget's Poisson count exceeds in one of 1000 cases."""
        return int(poisson.ppf(STREAM_LEVEL, self.days / BUDGET_DAYS)) if self.days else 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """A quarter of a fleet under one arm."""

    streams: tuple[StreamOutcome, ...]
    faults: tuple[FaultOutcome, ...]

    @property
    def false_alarms(self) -> int:
        """Of the whole fleet."""
        return sum(one.false_alarms for one in self.streams)

    @property
    def budget(self) -> float:
        """False alarms asked for, of the whole fleet."""
        return sum(one.days for one in self.streams) / BUDGET_DAYS

    @property
    def beyond(self) -> tuple[str, ...]:
        """The streams with more false alarms than chance allows."""
        return tuple(one.stream for one in self.streams if one.false_alarms > one.most)

    @property
    def firing(self) -> float:
        """The share of judged time without cause during which an alert was firing."""
        return sum(one.firing * one.days for one in self.streams) / sum(one.days for one in self.streams)

    @property
    def caught(self) -> int:
        """How many faults."""
        return sum(fault.caught for fault in self.faults)

    @property
    def learnt(self) -> int:
        """How many faults."""
        return sum(fault.learnt for fault in self.faults)


def outcome_of(plan: Plan, series: Sequence[ScoreSeries], alerts: Sequence[Seen], threshold: float = 1.0) -> Outcome:
    """Count what came of a quarter. threshold: above which score a window is anomalous."""
    streams, faults = [], []
    for one in series:
        own = [alert for alert in alerts if alert.stream == one.stream]
        streams.append(_stream(plan, one, own))
        faults += _fault(plan, one, own, threshold)
    return Outcome(tuple(streams), tuple(faults))


def alerts_at(series: Sequence[ScoreSeries], threshold: float, judge: DecisionSettings) -> list[Seen]:
    """The alerts that the daemon's rule makes of scores at another threshold."""
    alerts = []
    for found in fired_alerts([_errors(one) for one in series], np.array([threshold]), judge):
        one = series[found.series]
        fired, last = float(one.end_seconds[found.first]), float(one.end_seconds[found.last])
        ended = found.last < len(one.score) - 1
        alerts.append(Seen("", one.stream, fired, fired, last if ended else None))
    return sorted(alerts, key=lambda alert: alert.fired_seconds)


def named(one: ScoreSeries, alert: Seen, threshold: float) -> str | None:
    """The channel with the largest error in most of the anomalous windows of an alert's first day."""
    until = alert.fired_seconds + NAMING_SECONDS
    if alert.until_seconds is not None:
        until = min(until, alert.until_seconds)
    rows = (one.end_seconds >= alert.fired_seconds) & (one.end_seconds <= until) & (one.score > threshold)
    return one.channels[int(np.bincount(one.channel[rows]).argmax())] if rows.any() else None


def matched(
    plan: Plan, series: Sequence[ScoreSeries], judge: DecisionSettings, false_alarms: int
) -> tuple[float, Outcome]:
    """The lowest threshold found that raises at most so many false alarms, and what comes of it.

    Fewer false alarms come at higher thresholds, but not at each step: where alerts run into one another there are
    fewer, too. The bisection stays on the side of high thresholds.
    """
    scores = np.concatenate([one.score for one in series])
    low, high = math.log(0.2), math.log(max(float(np.nanmax(scores)), 1.0) * 1.01)
    for _ in range(_MATCHING_STEPS):
        middle = (low + high) / 2
        found = outcome_of(plan, series, alerts_at(series, math.exp(middle), judge), math.exp(middle))
        low, high = (low, middle) if found.false_alarms <= false_alarms else (middle, high)
    threshold = math.exp(high)
    return threshold, outcome_of(plan, series, alerts_at(series, threshold, judge), threshold)


def _errors(one: ScoreSeries) -> ErrorSeries:
    return ErrorSeries(one.stream, one.end_seconds, one.score, one.interval_seconds)


def _stream(plan: Plan, one: ScoreSeries, alerts: Sequence[Seen]) -> StreamOutcome:
    counted = np.isfinite(one.score) & ~has_cause(plan, one.stream, one.end_seconds)
    began = np.array([alert.fired_seconds for alert in alerts])
    firing = np.zeros(len(one.score), np.bool_)
    for alert in alerts:
        until = math.inf if alert.until_seconds is None else alert.until_seconds
        firing |= (one.end_seconds >= alert.fired_seconds) & (one.end_seconds < until)
    windows = int(counted.sum())
    return StreamOutcome(
        stream=one.stream,
        days=windows * one.interval_seconds / DAY_SECONDS,
        false_alarms=int((~has_cause(plan, one.stream, began)).sum()),
        firing=float((firing & counted).sum() / windows) if windows else 0.0,
    )


def _fault(plan: Plan, one: ScoreSeries, alerts: Sequence[Seen], threshold: float) -> list[FaultOutcome]:
    fault = plan.fault_of(one.stream)
    if fault is None:
        return []
    naming = [
        alert.fired_seconds
        for alert in alerts
        if alert.fired_seconds > fault.onset_seconds and named(one, alert, threshold) == fault.kind.channel
    ]
    first = min(naming, default=None)
    late = (one.end_seconds >= END_SECONDS - LEARNT_DAYS * DAY_SECONDS) & np.isfinite(one.score)
    return [
        FaultOutcome(
            kind=fault.kind.name,
            stream=one.stream,
            channel=fault.kind.channel,
            delay_days=None if first is None else (first - fault.onset_seconds) / DAY_SECONDS,
            grown=None if first is None else fault.grown(first),
            anomalous=float((one.score[late] > threshold).mean()) if late.any() else 0.0,
        )
    ]
