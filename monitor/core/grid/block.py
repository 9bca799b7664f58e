"""A block as the rules for one block see it, where it went, and what a call has done so far."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from monitor.core.values.discards import Reason


class Block(NamedTuple):
    """One block. ahead_seconds: by how much its last sample is ahead of its arrival; turns: as of `Arrivals`."""

    channel_group: int
    time: float
    length: int
    arrival: float
    timed: bool
    ahead_seconds: float
    turns: int


class Placed(NamedTuple):
    """Where a block went; the fields are those of `Placement`."""

    slot: int
    skip: int
    take: int
    fill: int


NOWHERE = Placed(0, 0, 0, 0)


@dataclass(slots=True)
class Round:
    """What one call has done so far to streams whose blocks are placed one by one.

    discards: refused samples; written: streams that took samples; floors: the slot up to which each was complete when
    the call began.
    """

    discards: Counter[Reason]
    written: set[int] = field(default_factory=set)
    floors: dict[int, int] = field(default_factory=dict)
