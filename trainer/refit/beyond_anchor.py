"""Beyond the anchor: what the anchor calls anomalous more often than its false-alarm budget lets it.

Some alerts of the anchor are chance, and belong to what is normal: without them each refit would cut off the tail of
the one before, and the threshold would shrink. More than chance brings are either a change that a person has to accept,
or a fault; then all of them are left out. An alert that goes on for long counts once for each six hours begun: a
machine that broke and stayed broken raises one alert only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import poisson

from monitor.core.alerting.decision_rule import DecisionSettings
from monitor.core.artifact.calibration import DAY_SECONDS
from monitor.core.artifact.manifest import Manifest
from trainer.calibration.alerts_at_threshold import ErrorSeries, FiredAlert, fired_alerts

EVENT_SECONDS = 6 * 3600.0
CHANCE = 0.999  # as many events as its budget brings are exceeded in one of 1000 cases


@dataclass(frozen=True, slots=True)
class BeyondAnchor:
    """What the anchor made of one stream.

    events: alerts, each counted once for six hours begun; allowed: how many chance may bring in the `seconds` that it
    judged. stretches: from and to (event time) of all its alerts with their margins, merged; empty where they are no
    more than allowed.
    """

    events: int
    allowed: int
    seconds: float
    stretches: tuple[tuple[float, float], ...]

    def holds(self, end_seconds: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which windows lie beyond the anchor: bool [N]. end_seconds: float64 [N]."""
        found = np.zeros(len(end_seconds), np.bool_)
        for begin, end in self.stretches:
            found |= (end_seconds >= begin) & (end_seconds <= end)
        return found


def beyond_anchor(
    scores: ErrorSeries,
    per_day: float,
    judge: DecisionSettings,
    margin_before_seconds: float = 0.0,
    margin_after_seconds: float = 0.0,
) -> BeyondAnchor:
    """Hold the anchor's alerts over a stream's new data against its budget.

    scores: error / threshold by the anchor; NaN where withheld, where something else leaves a window out, and where a
    person accepted it. per_day: how many false alarms it may raise.
    """
    alerts = fired_alerts([scores], np.ones(1), judge) if len(scores.error) else []
    events = sum(events_of(alert, scores) for alert in alerts)
    allowed = chance_events(per_day, scores.seconds)
    if events <= allowed:
        return BeyondAnchor(events, allowed, scores.seconds, ())
    begins = [_anomalous_from(alert, scores, judge) - margin_before_seconds for alert in alerts]
    ends = [float(scores.end_seconds[alert.last]) + margin_after_seconds for alert in alerts]
    return BeyondAnchor(events, allowed, scores.seconds, _merged(begins, ends))


def budget_per_day(manifest: Manifest) -> float | None:
    """How many false alarms a model may raise per stream and day; None where it was fitted to no rate.

    What it was asked for, or what it promised where its data could not carry that.
    """
    promised = manifest.calibration.false_alarms
    return None if promised is None else max(promised.asked_per_day, promised.expected_per_day)


def events_of(alert: FiredAlert, scores: ErrorSeries) -> int:
    """Count an alert once for each six hours begun; time that nobody watched does not count."""
    watched = int(np.isfinite(scores.error[alert.first : alert.last + 1]).sum())
    return 1 + int(max(0, watched - 1) * scores.interval_seconds / EVENT_SECONDS)


def chance_events(per_day: float, seconds: float) -> int:
    """How many events chance may bring in so long a time, but for one of 1000 cases."""
    return int(poisson.ppf(CHANCE, per_day * seconds / DAY_SECONDS)) if seconds > 0 else 0


def _anomalous_from(alert: FiredAlert, scores: ErrorSeries, judge: DecisionSettings) -> float:
    """The first anomalous window that the decision to fire rests on."""
    judged = np.flatnonzero(np.isfinite(scores.error[: alert.first + 1]))[-judge.n :]
    return float(scores.end_seconds[judged[scores.error[judged] > 1][0]])


def _merged(begins: Sequence[float], ends: Sequence[float]) -> tuple[tuple[float, float], ...]:
    merged: list[tuple[float, float]] = []
    for begin, end in sorted(zip(begins, ends, strict=True)):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return tuple(merged)
