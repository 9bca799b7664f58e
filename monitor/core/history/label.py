"""A label: what a person says about an interval of a stream. Refits leave out or take in by it; the gate tests by it.

Labels are records of what was said: they are withdrawn, never changed. Everything here is bounded, since a label may
come from whoever may publish commands to the broker.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal, get_args

from monitor.core.values.instant import LATEST_SECONDS
from monitor.core.values.names import is_name

LabelKind = Literal["confirmed", "false_alarm", "bad", "maintenance", "new_normal"]
KINDS: tuple[LabelKind, ...] = get_args(LabelKind)

# What people are told of each kind.
MEANINGS: dict[LabelKind, str] = {
    "confirmed": "a real fault: no refit learns it, and none is promoted that misses it",
    "false_alarm": "nothing was wrong: refits learn it as normal",
    "bad": "no use as data (a sensor, a test): no refit learns it, and what learnt it is fitted anew without it",
    "maintenance": "somebody worked on the machine: no refit learns it",
    "new_normal": "normal after a repair or a lasting change: refits learn it, whatever alerts there are",
}
LEAVES_OUT: frozenset[LabelKind] = frozenset({"confirmed", "bad", "maintenance"})
TAKES_IN: frozenset[LabelKind] = frozenset({"false_alarm", "new_normal"})

MAX_TEXT = 64  # characters of `who` and `source`
MAX_NOTE = 500  # characters
MAX_LABELS = 100_000  # of all streams, those withdrawn included
MAX_LABELS_PER_STREAM = 1000  # likewise
MAX_OPEN_PER_STREAM = 4  # labels without an end, those withdrawn aside

OPEN = math.inf  # the end of a label that has none

_AHEAD_SECONDS = 60.0  # that the clock of who says something may be ahead


class LabelError(ValueError):
    """What was given is no label; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Label:
    """What a person says about an interval of a stream.

    from_seconds, to_seconds: epoch, of event time; infinity: until something else is said. who: said it, at at_seconds
    (epoch). source: how it came: `command`, `mqtt` or `accept`. id: once it is kept. withdrawn_seconds: epoch, since
    when it counts no more; None: it counts.

    Raises:
        LabelError: a field is none of this.

    """

    stream: str
    from_seconds: float
    to_seconds: float
    kind: LabelKind
    who: str
    at_seconds: float
    source: str
    note: str = ""
    id: int | None = None
    withdrawn_seconds: float | None = None

    def __post_init__(self) -> None:
        """Hold what is promised."""
        if not is_name(self.stream):
            raise LabelError("no name of a stream: names are made of letters, digits and _ . : -")
        if self.kind not in KINDS:
            raise LabelError(f"no kind of label: there are {', '.join(KINDS)}")
        believable = 0 <= self.from_seconds < LATEST_SECONDS
        if not believable or not (self.to_seconds == OPEN or self.to_seconds < LATEST_SECONDS):
            raise LabelError("an interval before 1970 or after 2200: times are seconds since 1970")
        if not self.from_seconds < self.to_seconds:
            raise LabelError("the interval ends before it begins, or has no length: exchange its times")
        if not math.isfinite(self.at_seconds):
            raise LabelError("it was said at no time")
        for name, text, longest in (
            ("who", self.who, MAX_TEXT),
            ("source", self.source, MAX_TEXT),
            ("note", self.note, MAX_NOTE),
        ):
            if len(text) > longest or not text.isprintable():
                raise LabelError(f"{name} is at most {longest} characters on one line, without control characters")
        if not self.who or not self.source:
            raise LabelError("it lacks who said it")

    @property
    def is_open(self) -> bool:
        """Whether it has no end."""
        return self.to_seconds == OPEN

    def overlaps(self, from_seconds: float, to_seconds: float) -> bool:
        """Whether it says something about any part of an interval (epoch seconds)."""
        return self.from_seconds < to_seconds and from_seconds < self.to_seconds

    def kept_as(self, number: int) -> "Label":
        """The same label, kept under this id."""
        return replace(self, id=number)


def require_in_time(label: Label) -> Label:
    """Hold a label that is new to be about what has been: what is still to come can be called normal by nobody.

    What leaves out may reach ahead: a maintenance that is planned, a sensor that is broken.

    Raises:
        LabelError: it says that something to come is normal.

    """
    latest = label.at_seconds + _AHEAD_SECONDS
    if label.kind in TAKES_IN and label.from_seconds > latest:
        raise LabelError(f"{label.kind} from a time to come: what has not been cannot be normal yet")
    if label.kind == "false_alarm" and label.to_seconds > latest:
        raise LabelError("a false alarm is over when it is said: let it end now at the latest")
    return label


def answers(label: Label, since_seconds: float, now_seconds: float) -> bool:
    """Whether a label answers what the alert of its stream asks that began at since_seconds (event time).

    An acceptance of before, which has no end, does not: it was about another change. A maintenance does as long as it
    goes on (now_seconds: wall clock), whenever it was announced.
    """
    if label.kind == "maintenance" and label.overlaps(now_seconds, OPEN):
        return label.from_seconds <= now_seconds
    return label.at_seconds >= since_seconds and label.overlaps(since_seconds, OPEN)
