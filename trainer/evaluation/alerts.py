"""What people would have been told: alerts, not windows, by the daemon's own decision rule over scored recordings."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import gamma

from monitor.core.alerting.decision_rule import DecisionSettings
from monitor.core.artifact.calibration import DAY_SECONDS, Calibration
from monitor.core.dataset.recording import Recording
from trainer.calibration.alerts_at_threshold import ErrorSeries, FiredAlert, fired_alerts
from trainer.data.cutting import FileWindows
from trainer.evaluation.evaluation import Scored

_CONFIDENCE_ENDS = (0.025, 0.975)


@dataclass(frozen=True, slots=True)
class AlertFigures:
    """Alerts that fired, over some recordings.

    judge: the settings they hold for. false_alarms: those that rest on no window labelled anomalous (of recordings
    without labels, all), per day of normal windows, with the 95 % interval of that rate. asked_per_day and
    expected_per_day: what the artifact's budget says (None: its threshold has another rule). events: anomalies, windows
    labelled so in a row; hit: those during which an alert was firing. delay_seconds: median from an anomaly's first
    sample to firing, over the hit ones whose alert was not firing before.
    """

    judge: DecisionSettings
    alerts: int
    false_alarms: int
    normal_seconds: float
    false_alarms_per_day: float | None
    low_per_day: float | None
    high_per_day: float | None
    asked_per_day: float | None
    expected_per_day: float | None
    events: int
    hit: int
    delay_seconds: float | None


def alert_figures(scored: Sequence[Scored], calibration: Calibration) -> AlertFigures:
    """Judge the scores of some recordings, as the artifact's calibration assumes they will be."""
    promised = calibration.false_alarms
    judge = DecisionSettings() if promised is None else promised.judge
    series = [_series(piece) for piece in scored]
    alerts: list[list[FiredAlert]] = [[] for _ in scored]
    for alert in fired_alerts(series, np.ones(1), judge) if series else ():
        alerts[alert.series].append(alert)
    false, normal_seconds = 0, 0.0
    delays: list[float | None] = []
    for piece, one, own in zip(scored, series, alerts, strict=True):
        labels = np.zeros(len(piece.cut), np.int8) if piece.cut.labels is None else piece.cut.labels
        judged = piece.withheld == ""
        normal_seconds += float((judged & (labels == 0)).sum()) * one.interval_seconds
        false += sum(not _rests_on(alert, labels, judged, judge.n).any() for alert in own)
        delays += [_delay(event, own, piece.cut) for event in _events(labels)]
    hits = [delay for delay in delays if delay is not None]
    fresh = [delay for delay in hits if delay >= 0]
    days = normal_seconds / DAY_SECONDS
    low, high = _interval(false)
    return AlertFigures(
        judge=judge,
        alerts=sum(map(len, alerts)),
        false_alarms=false,
        normal_seconds=normal_seconds,
        false_alarms_per_day=false / days if days else None,
        low_per_day=low / days if days else None,
        high_per_day=high / days if days else None,
        asked_per_day=None if promised is None else promised.asked_per_day,
        expected_per_day=None if promised is None else promised.expected_per_day,
        events=len(delays),
        hit=len(hits),
        delay_seconds=float(np.median(fresh)) if fresh else None,
    )


def _series(piece: Scored) -> ErrorSeries:
    ends = piece.cut.batch.end_seconds
    interval = float(np.median(np.diff(ends))) if len(ends) > 1 else 0.0
    return ErrorSeries(piece.cut.file.name, ends, piece.score, interval)


def _rests_on(
    alert: FiredAlert, labels: NDArray[np.int8], judged: NDArray[np.bool_], look_back: int
) -> NDArray[np.int8]:
    """The labels of the windows that the decision to fire rests on."""
    return labels[: alert.first + 1][judged[: alert.first + 1]][-look_back:]


def _events(labels: NDArray[np.int8]) -> list[tuple[int, int]]:
    """First and last window of each anomaly."""
    transitions = np.diff(np.concatenate([[0], labels == 1, [0]]).astype(np.int8))
    return list(
        zip(np.flatnonzero(transitions == 1).tolist(), (np.flatnonzero(transitions == -1) - 1).tolist(), strict=True)
    )


def _delay(event: tuple[int, int], alerts: Sequence[FiredAlert], cut: FileWindows) -> float | None:
    """Seconds from onset to firing: below 0 where an alert was firing before, None where the event was missed."""
    first, last = event
    during = [alert.first for alert in alerts if alert.first <= last and alert.last >= first]
    return float(cut.batch.end_seconds[min(during)] - _onset(first, cut)) if during else None


def _onset(window: int, cut: FileWindows) -> float:
    """When the first anomalous sample of a window was taken; of ready-made windows, its first sample."""
    start, content = float(cut.start_seconds[window]), cut.file.content
    if not isinstance(content, Recording) or content.labels is None:
        return start
    anomalous = np.sort(content.time_seconds[content.labels == 1])
    # half a sample of tolerance: window times are sums of sample periods, sample times are read
    at = int(np.searchsorted(anomalous, start - content.sample_period_seconds / 2))
    return float(anomalous[at]) if at < len(anomalous) else start


def _interval(count: int) -> tuple[float, float]:
    """The 95 % interval of a Poisson mean, given its count (Garwood 1936)."""
    low, high = _CONFIDENCE_ENDS
    return float(gamma.ppf(low, count)) if count else 0.0, float(gamma.ppf(high, count + 1))
