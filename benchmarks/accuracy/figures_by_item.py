"""What a model did on one recording, and on several: by item (window, beat or sample) and by alert."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.accuracy.rows.protocol import Items
from benchmarks.datasets.figures import Firing, Judged, delay_of, events_of, is_false
from monitor.core.alerting.decision_rule import DecisionRule, DecisionSettings, Phase
from monitor.core.artifact.calibration import FalseAlarms
from monitor.core.artifact.manifest import Manifest
from monitor.core.dataset.recording import Recording
from trainer.evaluation.evaluation import Scored
from trainer.evaluation.metrics import Detection, auc_pr, auc_roc

Figures = dict[str, float | None]  # None: not defined (a class is absent, nothing normal)

SECONDS_PER_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Alerts:
    """Alerts of a stream. normal_seconds: how long it was normal while judged; delays: of events hit, from 0."""

    false: int
    normal_seconds: float
    events: int
    hit: int
    delays_seconds: tuple[float, ...]


def item_figures(items: Items) -> Figures:
    """How well scores tell items apart, and what the threshold (score 1) makes of them."""
    detection = Detection.of(items.score > 1, items.label)
    return {
        "items": float(len(items.label)),
        "anomalous": float(items.label.sum()),
        "auc_roc": auc_roc(items.score, items.label),
        "auc_pr": auc_pr(items.score, items.label),
        "f1": detection.f1,
        "precision": detection.precision,
        "recall": detection.recall,
        "false_alarm_rate": detection.false_alarm_rate,
    }


def alerts_of(scored: Scored, manifest: Manifest) -> Alerts:
    """Judge the windows of a stream as the daemon does by default, and hold its alerts against the labels."""
    recording = scored.cut.file.content
    assert isinstance(recording, Recording)
    settings, order = DecisionSettings(), np.argsort(scored.cut.batch.end_seconds, kind="stable")
    ends, score = scored.cut.batch.end_seconds[order], scored.score[order]
    labels = (np.zeros(len(ends), np.int8) if scored.cut.labels is None else scored.cut.labels)[order]
    rule = DecisionRule(settings)
    rule.open_stream(0)
    transitions = rule.decide(np.zeros(len(ends), np.int64), score, np.isfinite(score)).transitions
    began = [ends[at] for at, _, now in transitions if now == Phase.FIRING]
    ended = [ends[at] for at, before, _ in transitions if before == Phase.FIRING]
    firings = tuple(
        Firing(float(start), float(end)) for start, end in zip(began, [*ended, np.inf][: len(began)], strict=True)
    )
    marked = np.zeros(0, np.int64) if recording.labels is None else np.flatnonzero(recording.labels)
    judged = Judged(
        recording.name, manifest.window, manifest.sample_period_seconds, ends, score, labels,
        np.sort(recording.time_seconds[marked]), settings.n, firings,
    )  # fmt: skip
    # a window stands for the time since the one before it, unless that was a gap
    span = np.diff(ends, prepend=ends[:1]).clip(0, manifest.window.length * manifest.sample_period_seconds)
    delays = [delay_of(event, firings) for event in events_of(judged)]
    hits = [delay for delay in delays if delay is not None]
    return Alerts(
        false=sum(is_false(judged, firing) for firing in firings),
        normal_seconds=float(span[(labels == 0) & np.isfinite(score)].sum()),
        events=len(delays),
        hit=len(hits),
        delays_seconds=tuple(delay for delay in hits if delay >= 0),
    )


def alert_figures(alerts: Sequence[Alerts]) -> Figures:
    """Put the alerts of several streams together."""
    days = sum(each.normal_seconds for each in alerts) / SECONDS_PER_DAY
    events, false = sum(each.events for each in alerts), sum(each.false for each in alerts)
    delays = [delay for each in alerts for delay in each.delays_seconds]
    return {
        "false_alarms": float(false),
        "normal_days": days,
        "false_alarms_per_day": false / days if days else None,
        "events": float(events),
        "hit_share": sum(each.hit for each in alerts) / events if events else None,
        "delay_seconds": float(np.median(delays)) if delays else None,
    }


def promise_figures(promised: Sequence[FalseAlarms]) -> Figures:
    """What the thresholds of several models promise, false alarms per stream and day: the mean over models."""
    if not promised:
        return {}
    return {
        "asked_per_day": float(np.mean([each.asked_per_day for each in promised])),
        "expected_per_day": float(np.mean([each.expected_per_day for each in promised])),
        "low_per_day": float(np.mean([each.low_per_day for each in promised])),
        "high_per_day": float(np.mean([each.high_per_day for each in promised])),
    }


def mean_figures(several: Sequence[Mapping[str, float | None]]) -> Figures:
    """Each figure's mean over those where it is defined."""
    found: Figures = {}
    for name in several[0]:
        values = [value for figures in several if (value := figures[name]) is not None]
        found[name] = float(np.mean(values)) if values else None
    return found
