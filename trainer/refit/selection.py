"""What a refit takes of a stream's history and what it leaves out, each piece with its reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from monitor.core.history.alert_record import AlertRecord
from monitor.core.history.label import Label

# In the order in which they are asked: a window that several reasons leave out counts under the first.
Reason = Literal[
    "bad",  # a person says that these data are worth nothing
    "maintenance",
    "confirmed",  # a person says that this was a fault
    "before_accept",  # normal until a person accepted a lasting change, and not since
    "quality",  # the daemon withheld the window
    "alert",  # an alert fired, or came or went shortly before or after
    "moved",  # the stream has moved further from its anchor than is absorbed unasked
    "beyond_anchor",  # the anchor calls it anomalous, beyond its budget
    "day_cap",  # its day has given as much as a day may
]
REASONS: tuple[Reason, ...] = get_args(Reason)

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Taken:
    """A piece of a stream's history that a refit learns from: event time, and how many windows end in it."""

    stream: str
    from_seconds: float
    to_seconds: float
    windows: int


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A piece of a stream's history that a refit leaves out: event time, why, and how many windows end in it."""

    stream: str
    from_seconds: float
    to_seconds: float
    reason: Reason
    windows: int


@dataclass(frozen=True, slots=True)
class Spans:
    """When N windows of one stream begin and end (event time), and which of its stretches each was cut from.

    start_seconds, end_seconds: float64 [N], ascending. stretch: int64 [N].
    """

    start_seconds: Floats
    end_seconds: Floats
    stretch: NDArray[np.int64]

    def __len__(self) -> int:
        """How many windows."""
        return len(self.end_seconds)

    def touching(self, from_seconds: float, to_seconds: float) -> Bools:
        """Which windows [N] share time with an interval."""
        touching: Bools = (self.end_seconds >= from_seconds) & (self.start_seconds <= to_seconds)
        return touching


@dataclass(frozen=True, slots=True)
class Margins:
    """How long before an alert that fired, and after it, windows are left out, too."""

    before_seconds: float
    after_seconds: float


@dataclass(frozen=True, slots=True)
class Said:
    """What happened to a stream and what people say of it.

    anchored_since_seconds: from when on the stream has an anchor of its own; None: it has the model's.
    """

    alerts: Sequence[AlertRecord]
    labels: Sequence[Label]
    anchored_since_seconds: float | None = None

    @property
    def accepted(self) -> Label | None:
        """The latest word of a person that the stream is normal as it is now."""
        accepts = [label for label in self.labels if label.source == "accept" and label.kind == "new_normal"]
        return max(accepts, key=lambda label: label.from_seconds, default=None)

    @property
    def pending_since_seconds(self) -> float | None:
        """From when on data are accepted which no anchor holds yet; None: there are none."""
        label = self.accepted
        if label is None:
            return None
        anchored = self.anchored_since_seconds
        return label.from_seconds if anchored is None or label.from_seconds > anchored else None


class Selection:
    """The windows of one stream, of which more and more are left out.

    reason: str [N], empty where a window is taken. brought_back: bool [N], taken only because a person says so; what
    was accepted does not count as that.
    """

    def __init__(self, stream: str, spans: Spans) -> None:
        self.stream, self.spans = stream, spans
        self.reason: NDArray[np.str_] = np.full(len(spans), "", f"<U{max(map(len, REASONS))}")
        self.brought_back = np.zeros(len(spans), np.bool_)

    @property
    def taken(self) -> Bools:
        """Which windows [N] are taken."""
        taken: Bools = self.reason == ""
        return taken

    def leave_out(self, windows: Bools, reason: Reason) -> None:
        """Leave out windows that nothing left out before. windows: bool [N]."""
        self.reason[windows & self.taken] = reason

    def judge(self, said: Said, withheld: Bools, unlike: Bools, margins: Margins) -> None:
        """Leave out what people, the daemon and its alerts say.

        withheld: bool [N], which windows are not to be trusted. unlike: bool [N], which are unlike the training data;
        those are taken where a person accepted them.
        """
        spans = self.spans
        for reason in ("bad", "maintenance", "confirmed"):
            for label in said.labels:
                if label.kind == reason:
                    self.leave_out(spans.touching(label.from_seconds, label.to_seconds), reason)
        if said.accepted is not None:
            self.leave_out(spans.start_seconds < said.accepted.from_seconds, "before_accept")
        self.leave_out(withheld | (unlike & ~self.accepted_of(said)), "quality")
        alerted = np.zeros(len(spans), np.bool_)
        normal = _called_normal(spans, said)
        for alert in said.alerts:
            if alert.fired:
                near = spans.touching(
                    alert.from_seconds - margins.before_seconds, alert.to_seconds + margins.after_seconds
                )
                if _is_false(alert, said.labels):
                    self.brought_back |= near & self.taken
                else:
                    alerted |= near
        alerted &= ~self.accepted_of(said)
        self.brought_back |= alerted & normal & self.taken
        self.leave_out(alerted & ~normal, "alert")
        self.brought_back &= self.taken

    def accepted_of(self, said: Said) -> Bools:
        """Which windows [N] a person accepted.

        While no anchor holds what was accepted, that is all since then, for the model in use may still raise alerts
        about the change. Afterwards it is what that person can have seen.
        """
        label = said.accepted
        if label is None:
            return np.zeros(len(self.spans), np.bool_)
        seen = self.spans.start_seconds >= label.from_seconds
        return seen if said.pending_since_seconds is not None else seen & (self.spans.end_seconds <= label.at_seconds)

    def pieces(self) -> tuple[list[Taken], list[Exclusion]]:
        """What is taken and what is left out, neighbours together, in order of time."""
        taken, excluded = [], []
        spans, count = self.spans, len(self.spans)
        changes = (self.reason[1:] != self.reason[:-1]) | (spans.stretch[1:] != spans.stretch[:-1])
        bounds = [0, *(np.flatnonzero(changes) + 1).tolist(), count] if count else [0]
        for first, behind in pairwise(bounds):
            begin, end = float(spans.start_seconds[first]), float(spans.end_seconds[behind - 1])
            reason = next((each for each in REASONS if each == self.reason[first]), None)
            if reason is None:
                taken.append(Taken(self.stream, begin, end, behind - first))
            else:
                excluded.append(Exclusion(self.stream, begin, end, reason, behind - first))
        return taken, excluded


def _called_normal(spans: Spans, said: Said) -> Bools:
    """Which windows [N] lie in an interval of which a person says that nothing was wrong."""
    normal = np.zeros(len(spans), np.bool_)
    for label in said.labels:
        if label.kind in {"false_alarm", "new_normal"} and label.source != "accept":
            # nobody can say of what is to come that it is normal
            until = min(label.to_seconds, label.at_seconds)
            normal |= (spans.start_seconds >= label.from_seconds) & (spans.end_seconds <= until)
    return normal


def _is_false(alert: AlertRecord, labels: Sequence[Label]) -> bool:
    """Whether a person says of a whole alert that it was false: then its margins are as good as the rest."""
    return any(
        label.kind == "false_alarm"
        and label.from_seconds <= alert.from_seconds
        and alert.to_seconds <= min(label.to_seconds, label.at_seconds)
        for label in labels
    )
