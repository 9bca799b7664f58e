"""Figures of merit of a detector on labelled streams. Pure.

By window: AUC-ROC, AUC-PR and, at the deployed threshold, F1, precision and recall. By event and alert, which is what
people see: which anomalies were hit, how soon, and how many alerts nobody needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.core.artifact.manifest import WindowSpec
from trainer.evaluation.metrics import Detection, auc_pr, auc_roc

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Firing:
    """An alert while it was firing, in event time; `until_seconds` is infinity where the stream ended first."""

    from_seconds: float
    until_seconds: float


@dataclass(frozen=True, slots=True)
class Judged:
    """One stream with its labels and what was said about it.

    N windows in order: end_seconds float64 [N]; score float32 [N], NaN where withheld; labels int8 [N].
    anomalous_seconds: float64 [M], ascending, the times of the samples labelled anomalous. look_back: how many windows
    the decision to fire rests on.
    """

    stream: str
    window: WindowSpec
    sample_period_seconds: float
    end_seconds: Floats
    score: NDArray[np.float32]
    labels: NDArray[np.int8]
    anomalous_seconds: Floats
    look_back: int
    firings: tuple[Firing, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """An anomaly: windows labelled so in a row. onset: the first anomalous sample; end: of the last window."""

    onset_seconds: float
    end_seconds: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What came out. None where it is not defined (no anomaly, nothing normal).

    anomalous: which fraction of the scored windows is labelled so, which is the AUC-PR of a coin. f1_always: F1 of who
    always cries. false_alarms: alerts that began to fire with no anomalous window among those that they rest on;
    normal_hours: what their rate refers to. events, hit: anomalies, and those during which an alert was firing.
    delay_seconds: median from onset to firing, over the hit ones whose alert was not firing before.
    """

    windows: int
    withheld: int
    anomalous: float
    auc_roc: float | None
    auc_pr: float | None
    f1: float | None
    f1_always: float | None
    precision: float | None
    recall: float | None
    false_alarms: int
    normal_hours: float
    events: int
    hit: int
    delay_seconds: float | None

    @property
    def false_alarms_per_hour(self) -> float | None:
        """Per hour of normal data, overlapping windows not counted twice."""
        return self.false_alarms / self.normal_hours if self.normal_hours else None


def events_of(judged: Judged) -> list[Event]:
    """The anomalies of a stream, in order."""
    marked = np.concatenate([[0], judged.labels, [0]])
    first, behind = np.flatnonzero(np.diff(marked) == 1), np.flatnonzero(np.diff(marked) == -1)
    # half a sample of tolerance: window times are sums of sample periods, sample times are read
    begins = judged.end_seconds[first] - (judged.window.length - 0.5) * judged.sample_period_seconds
    onset = np.searchsorted(judged.anomalous_seconds, begins)
    return [
        Event(float(judged.anomalous_seconds[at]), float(judged.end_seconds[last - 1]))
        for at, last in zip(onset.tolist(), behind.tolist(), strict=True)
    ]


def is_false(judged: Judged, firing: Firing) -> bool:
    """Whether none of the windows that the decision to fire rests on is labelled anomalous."""
    scored = ~np.isnan(judged.score)
    ends, labels = judged.end_seconds[scored], judged.labels[scored]
    at = int(np.searchsorted(ends, firing.from_seconds + judged.sample_period_seconds / 2))
    return not labels[max(at - judged.look_back, 0) : at].any()


def delay_of(event: Event, firings: Sequence[Firing]) -> float | None:
    """Seconds from onset to firing: below 0 where an alert was firing before, None where the event was missed."""
    during = [f for f in firings if f.from_seconds <= event.end_seconds and f.until_seconds > event.onset_seconds]
    return min((firing.from_seconds - event.onset_seconds for firing in during), default=None)


def figures_of(streams: Sequence[Judged]) -> Figures:
    """Put streams together. Scores may come from several models: 1.0 is the threshold for each of them."""
    score = np.concatenate([judged.score for judged in streams])
    labels = np.concatenate([judged.labels for judged in streams])
    scored = ~np.isnan(score)
    withheld = int((~scored).sum())
    score, labels = score[scored], labels[scored]
    detection, always = Detection.of(score > 1.0, labels), Detection.of(np.ones(len(labels), np.bool_), labels)
    delays = [delay_of(event, judged.firings) for judged in streams for event in events_of(judged)]
    hits = [delay for delay in delays if delay is not None]
    fresh = [delay for delay in hits if delay >= 0]
    normal_seconds = sum(
        int(((judged.labels == 0) & ~np.isnan(judged.score)).sum())
        * judged.window.stride
        * judged.sample_period_seconds
        for judged in streams
    )
    return Figures(
        windows=len(score),
        withheld=withheld,
        anomalous=float(np.mean(labels == 1)) if len(labels) else 0.0,
        auc_roc=auc_roc(score, labels),
        auc_pr=auc_pr(score, labels),
        f1=detection.f1,
        f1_always=always.f1,
        precision=detection.precision,
        recall=detection.recall,
        false_alarms=sum(is_false(judged, firing) for judged in streams for firing in judged.firings),
        normal_hours=normal_seconds / 3600,
        events=len(delays),
        hit=len(hits),
        delay_seconds=float(np.median(fresh)) if fresh else None,
    )
