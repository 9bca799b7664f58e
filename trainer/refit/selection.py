"""What a refit takes of a stream's history and what it leaves out, each piece with its reason."""

from dataclasses import dataclass
from typing import Literal

# In the order in which they are asked: a window that several reasons leave out counts under the first.
Reason = Literal[
    "bad",  # a person says that these data are worth nothing
    "maintenance",
    "confirmed",  # a person says that this was a fault
    "before_accept",  # normal until a person accepted a lasting change, and not since
    "quality",  # the daemon withheld the window
    "alert",  # an alert fired, or came or went shortly before or after
    "beyond_anchor",  # the anchor calls it anomalous, beyond its budget
    "day_cap",  # its day has given as much as a day may
]


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
