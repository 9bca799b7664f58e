"""Alerts: `pending` → `firing` → `resolved`, one at a time per stream, with one id for its whole life.

An alert that is resolved without ever firing says `fired: false`. The id follows from the stream and the event time of
the first anomalous window, so the same recording always gives the same ids.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace

from monitor.core.alerting.decision_rule import Phase
from monitor.core.alerting.end_reason import EndReason

_NAMESPACE = uuid.UUID("5b0f8a1e-7d52-5f0e-9a57-0d8f3c1e6a42")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one window says: event time, score, error and the error of each channel.

    masked: the channels that it was judged without; their errors are NaN. threshold: where they ask for one of their
    own; None: the model's.
    """

    time_seconds: float
    score: float
    error: float
    channel_error: dict[str, float]
    masked: tuple[str, ...] = ()
    threshold: float | None = None

    @property
    def channel(self) -> str:
        """The channel that contributed most to the error."""
        trusted = [name for name in self.channel_error if name not in self.masked]
        return max(trusted, key=self.channel_error.__getitem__)


@dataclass(frozen=True, slots=True)
class AlertStep:
    """One step in an alert's life. phase: `pending`, `firing` or `resolved`.

    number: 0 for the first step of an alert, then counted up; the same whenever the same windows are judged again.
    reason: why the alert is over; None until it is.
    """

    id: str
    number: int
    phase: str
    stream: str
    since_seconds: float
    fired: bool
    evidence: Evidence
    reason: EndReason | None = None


class AlertBook:
    """The open alerts of one model group, by stream name."""

    def __init__(self) -> None:
        self._open: dict[str, AlertStep] = {}

    def open_alert(self, stream: str) -> AlertStep | None:
        """The latest step of the stream's open alert."""
        return self._open.get(stream)

    def transition(self, stream: str, before: Phase, after: Phase, evidence: Evidence) -> list[AlertStep]:
        """The steps that a stream's turn from one phase to another makes; from calm to firing there are two."""
        steps = []
        if before is Phase.CALM:
            since = evidence.time_seconds
            # to the millisecond: the last bits of event time depend on how samples were grouped into messages
            name = str(uuid.uuid5(_NAMESPACE, f"{stream} {since:.3f}"))
            steps.append(AlertStep(name, 0, "pending", stream, since, fired=False, evidence=evidence))
        if after is Phase.FIRING:
            steps.append(self._next(steps, stream, "firing", evidence, fired=True))
        if after is Phase.CALM:
            last = self._next(steps, stream, "resolved", evidence, fired=before is Phase.FIRING)
            steps.append(replace(last, reason=EndReason.CALM))
            del self._open[stream]
        else:
            self._open[stream] = steps[-1]
        return steps

    def close(self, stream: str, reason: EndReason) -> AlertStep | None:
        """Resolve what is open for a stream, for a reason that no window gives; the evidence is the last there was."""
        last = self._open.pop(stream, None)
        return None if last is None else replace(last, number=last.number + 1, phase="resolved", reason=reason)

    @property
    def open_ids(self) -> set[str]:
        """The ids of the open alerts."""
        return {step.id for step in self._open.values()}

    def open_steps(self) -> list[AlertStep]:
        """The latest step of each open alert, to be kept."""
        return list(self._open.values())

    def put_open_steps(self, steps: Iterable[AlertStep]) -> None:
        """Go on with these alerts."""
        self._open = {step.stream: step for step in steps}

    def _next(self, steps: list[AlertStep], stream: str, phase: str, evidence: Evidence, *, fired: bool) -> AlertStep:
        last = steps[-1] if steps else self._open[stream]
        return replace(last, number=last.number + 1, phase=phase, fired=fired, evidence=evidence)
