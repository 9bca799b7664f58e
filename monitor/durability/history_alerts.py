"""The alerts that the history follows: from their steps, as they are published, to one record each."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from monitor.core.alerting.alerts import AlertStep
from monitor.core.history.alert_record import AlertRecord


class _StepFields(msgspec.Struct):
    """What is read of the payload of a step; the rest of it is passed over."""

    id: str
    phase: str
    fired: bool
    reason: str | None
    stream: str
    model: str
    time: float
    since: float
    score: float | None
    channel: str


_MOST_CHANGED = 10_000
_decode = msgspec.json.Decoder(_StepFields).decode


@dataclass(slots=True)
class OpenAlert:
    """An alert that is not over. sample_bytes: what was kept because of it."""

    record: AlertRecord
    sample_bytes: int = 0


@dataclass(slots=True)
class HistoryAlerts:
    """Open alerts by model and stream. changed: records that are to be written."""

    open: dict[tuple[str, str], OpenAlert] = field(default_factory=dict)
    changed: dict[str, AlertRecord] = field(default_factory=dict)

    def begin(self, model: str, steps: Iterable[AlertStep]) -> None:
        """Go on with alerts that were open when the process started."""
        for step in steps:
            evidence = step.evidence
            record = AlertRecord(
                *(step.id, model, step.stream, step.since_seconds, math.inf, step.fired),
                *(_peak(evidence.score), None, (evidence.channel,)),
            )
            self.open[model, step.stream] = OpenAlert(record)
            self.changed[record.id] = record

    def note(self, payload: bytes) -> tuple[AlertRecord, float] | None:
        """Follow one step. Returns what the alert is by it, and the event time of the step; None: it is no step."""
        try:
            step = _decode(payload)
        except msgspec.DecodeError:
            return None
        key = step.model, step.stream
        before = self.open.get(key)
        known = before.record.channels if before is not None and before.record.id == step.id else ()
        peak = _peak(step.score)
        if before is not None and before.record.id == step.id:
            peak = max(peak, before.record.peak)
        over = step.phase == "resolved"
        record = AlertRecord(
            *(step.id, step.model, step.stream, step.since, step.time if over else math.inf, step.fired),
            *(peak, step.reason if over else None, known if step.channel in known else (*known, step.channel)),
        )
        self.changed[record.id] = record
        if len(self.changed) > _MOST_CHANGED:  # nothing can be written for long
            del self.changed[next(iter(self.changed))]
        if over:
            self.open.pop(key, None)
        else:
            self.open[key] = OpenAlert(record, before.sample_bytes if before is not None else 0)
        return record, step.time

    def note_all(self, payloads: Iterable[bytes]) -> None:
        """Follow several steps."""
        for payload in payloads:
            self.note(payload)

    def drop(self, stream: str) -> None:
        """Let go of all that is known of a stream's alerts."""
        self.changed = {key: each for key, each in self.changed.items() if each.stream != stream}
        self.open = {key: each for key, each in self.open.items() if key[1] != stream}

    @property
    def open_ids(self) -> set[str]:
        """The ids of the open alerts."""
        return {alert.record.id for alert in self.open.values()}

    def note_score(self, model: str, stream: str, score: float) -> None:
        """Note the highest score of windows of a stream, which counts where it has an open alert."""
        alert = self.open.get((model, stream))
        if alert is not None and score > alert.record.peak:
            alert.record = alert.record._replace(peak=score)
            self.changed[alert.record.id] = alert.record


def _peak(score: float | None) -> float:
    return 0.0 if score is None or math.isnan(score) else score
