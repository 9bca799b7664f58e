"""What alerts of the past would have been: the history scored again, by the model in use and by its successor."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from monitor.core.artifact.manifest import Manifest
from monitor.core.history.alert_record import AlertRecord
from monitor.core.history.stretch import Stretch
from monitor.readers.history import History
from trainer.artifact.export import Artifact
from trainer.calibration.alerts_at_threshold import ErrorSeries, fired_alerts
from trainer.refit.stream_history import history_of
from trainer.refit.stream_judge import StreamJudge, warmed_up

# Of one stream, so many samples are cut and scored at once.
_PIECE_SAMPLES = 200_000

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class PastAlert:
    """An alert of the past (event time), and by which of the two models it would have been raised.

    recorded: whether the daemon raised it then.
    """

    stream: str
    from_seconds: float
    to_seconds: float
    recorded: bool
    before: bool
    after: bool

    @property
    def changes(self) -> bool:
        """Whether it would come only now, or not come any more."""
        return (self.recorded or self.before) != self.after


@dataclass(frozen=True, slots=True)
class AlertReplay:
    """All alerts of the past, by stream and time. seconds: that the history covers of all streams together."""

    alerts: tuple[PastAlert, ...]
    seconds: float

    @property
    def changed(self) -> tuple[PastAlert, ...]:
        """The alerts that would come only now, or not any more."""
        return tuple(alert for alert in self.alerts if alert.changes)


def replay_alerts(history: History, model: str, before: Artifact, after: Artifact) -> AlertReplay:
    """Score all stretches of a model's streams by two artifacts that cut the same windows.

    Raises:
        RecordingError: the history cannot be read.

    """
    recorded = history.alerts(model)
    alerts: list[PastAlert] = []
    seconds = 0.0
    for summary in history.streams(model):
        old, new = _scores(summary.name, history.stretches(model, summary.name), before, after)
        if old is None or new is None:
            continue
        seconds += len(old.error) * old.interval_seconds
        own = [alert for alert in recorded if alert.stream == summary.name and alert.fired]
        alerts += _matched(summary.name, own, _intervals(old, before), _intervals(new, after), old)
    return AlertReplay(tuple(alerts), seconds)


def _scores(
    stream: str, stretches: Iterator[Stretch], before: Artifact, after: Artifact
) -> tuple[ErrorSeries | None, ErrorSeries | None]:
    """The scores of a stream's windows by both, piece by piece; None where nothing fits the model."""
    judges: list[StreamJudge] = []
    parts: list[list[ErrorSeries]] = [[], []]
    for piece in _pieces(stretches, before.manifest):
        read = history_of(stream, 0, piece, before.manifest)
        if read is None or not len(read):
            continue
        if not judges:  # what streams learn by themselves, they learn once
            learnt = [(artifact, warmed_up(artifact.manifest, read.cut)) for artifact in (before, after)]
            judges = [StreamJudge(artifact, {} if own is None else {stream: own}) for artifact, own in learnt]
        for own_parts, judge in zip(parts, judges, strict=True):
            scores = judge.scores(read.cut)
            own_parts.append(replace(scores, error=np.where(read.withheld == "", scores.error, np.float32(np.nan))))
    old, new = (_joined(each) for each in parts)
    return old, new


def _joined(parts: Sequence[ErrorSeries]) -> ErrorSeries | None:
    if not parts:
        return None
    ends = np.concatenate([part.end_seconds for part in parts])
    return replace(parts[0], end_seconds=ends, error=np.concatenate([part.error for part in parts]))


def _pieces(stretches: Iterator[Stretch], manifest: Manifest) -> Iterator[list[Stretch]]:
    """The stretches of a stream in pieces of bounded size; a long one goes on in the next piece, window by window."""
    stride, overlap = manifest.window.stride, manifest.window.length - manifest.window.stride
    step = max(stride, _PIECE_SAMPLES // stride * stride)
    piece: list[Stretch] = []
    samples = 0
    for stretch in stretches:
        for first in range(0, max(1, stretch.samples - max(0, overlap)), step):
            part = _part_of(stretch, first, first + step + max(0, overlap))
            if piece and samples + part.samples > _PIECE_SAMPLES:
                yield piece
                piece, samples = [], 0
            piece.append(part)
            samples += part.samples
    if piece:
        yield piece


def _part_of(stretch: Stretch, first: int, behind: int) -> Stretch:
    start = stretch.start_seconds + first * stretch.sample_period_seconds
    return replace(stretch, start_seconds=start, values=stretch.values[:, first:behind])


def _intervals(scores: ErrorSeries, artifact: Artifact) -> list[Interval]:
    rule = StreamJudge(artifact).rule
    alerts = fired_alerts([scores], np.ones(1), rule)
    ends = scores.end_seconds
    return sorted((float(ends[alert.first]), float(ends[alert.last])) for alert in alerts)


def _matched(
    stream: str, recorded: Sequence[AlertRecord], old: list[Interval], new: list[Interval], scores: ErrorSeries
) -> list[PastAlert]:
    """Alerts of all three that overlap are one. What is recorded of a time that is not kept cannot be compared."""
    slack = scores.interval_seconds
    then = [
        (alert.from_seconds, alert.to_seconds)
        for alert in recorded
        if ((scores.end_seconds >= alert.from_seconds) & (scores.end_seconds <= alert.to_seconds)).any()
    ]
    tagged = sorted([*((each, 0) for each in then), *((each, 1) for each in old), *((each, 2) for each in new)])
    found: list[tuple[float, float, set[int]]] = []
    for (begin, end), whose in tagged:
        if found and begin <= found[-1][1] + slack:
            first, last, names = found[-1]
            found[-1] = (first, max(last, end), names | {whose})
        else:
            found.append((begin, end, {whose}))
    return [PastAlert(stream, first, last, 0 in names, 1 in names, 2 in names) for first, last, names in found]
