"""Waits: how long the channel groups of a stream have waited for those that lag behind.

What counts is arrival, in the order of the messages. A quarter of the lateness is a *turn*. With each turn, the slot
that the foremost channel group had reached moves one place down a short row; what stands at its end was delivered at
least the lateness ago, and who has not come so far by then is left behind.

Time in which a channel group catches up is no waiting: a gateway that stored an outage may pass it on topic by topic,
and then the channels that come last are long behind the first, but not late. So a block that covers a longer time than
has passed since the one before it lets no time pass. Neither does a pause of the whole stream count for more than half
the lateness, nor a step of our clock.
"""

import numpy as np
from numpy.typing import NDArray

from monitor.core.grid.arrivals import Floats, Ints
from monitor.core.values.channel_groups import ChannelGroups
from monitor.core.values.columns import Columns, column

_TURNS = 4  # in the lateness
_CATCHING_UP = 1.25  # times faster than time passes
_MICROSECONDS = 1e6  # whole ones, so that sums do not depend on the order in which they are made


class Waits(Columns):
    """What streams of several channel groups have waited. lateness_seconds: of arrival."""

    _waited_microseconds: Ints = column("waited_microseconds", np.int64)  # of the present turn
    _came: Floats = column("came", np.float64, np.nan)  # arrival of the stream's last block
    _group_came: Floats = column("group_came", np.float64, np.nan, by_channel_group=True)
    _leads: Ints = column("leads", np.int64, shape=("turns",))  # the foremost slots, oldest first

    def __init__(self, groups: ChannelGroups, lateness_seconds: float, period_seconds: float) -> None:
        super().__init__(groups, turns=_TURNS + 2)
        self._groups = groups
        self._period_seconds = period_seconds
        self._turn_microseconds = max(round(lateness_seconds / _TURNS * _MICROSECONDS), 1)
        self._longest_seconds = lateness_seconds / 2

    def turns_of_one(self, channel_group: int, length: int, arrival: float) -> int:
        """How many turns end with one block. It is to be asked for once."""
        stream = self._groups.stream(channel_group)
        since_own, since_any = arrival - self._group_came[channel_group], arrival - self._came[stream]
        self._group_came[channel_group] = self._came[stream] = arrival
        if not since_any > 0 or length * self._period_seconds > _CATCHING_UP * since_own:
            return 0
        passed = round(min(float(since_any), self._longest_seconds) * _MICROSECONDS)
        turns, left = divmod(int(self._waited_microseconds[stream]) + passed, self._turn_microseconds)
        self._waited_microseconds[stream] = left
        return turns

    def turns_of(self, channel_group: Ints, length: Ints, arrival: Floats) -> Ints:
        """How many turns end with each of M blocks, in the order in which they came: int64 [M].

        channel_group, length: int64 [M]; arrival: float64 [M]. Each block is to be asked for once.
        """
        stream = self._groups.stream(channel_group)
        since_own = _since_last(channel_group, arrival, self._group_came)
        since_any = _since_last(stream, arrival, self._came)
        with np.errstate(invalid="ignore"):
            catching_up = length * self._period_seconds > _CATCHING_UP * since_own  # never with the first block
        passed = np.minimum(np.fmax(since_any, 0.0), self._longest_seconds)  # 0 with the first block
        passed[catching_up] = 0.0
        order = _order_of(stream)
        streams, microseconds = stream[order], np.rint(passed[order] * _MICROSECONDS).astype(np.int64)
        opens = _opens(streams)
        first = np.flatnonzero(opens)
        last = np.append(first[1:], len(streams)) - 1
        total = np.cumsum(microseconds)
        total += (self._waited_microseconds[streams[first]] - total[first] + microseconds[first]).repeat(
            last + 1 - first
        )
        if total.max() < self._turn_microseconds:  # as mostly: no turn ends
            self._waited_microseconds[streams[last]] = total[last]
            return np.zeros(len(stream), np.int64)
        turns = total // self._turn_microseconds
        self._waited_microseconds[streams[last]] = total[last] - turns[last] * self._turn_microseconds
        turns[1:] -= np.where(opens[1:], 0, turns[:-1])
        found = np.empty_like(turns)
        found[order] = turns
        return found

    def due(self, streams: Ints, turns: Ints) -> Ints:
        """The slots that all must have reached after so many more turns: int64 [T]. streams, turns: int64 [T]."""
        slots: Ints = self._leads[streams, np.minimum(turns, _TURNS + 1)]
        return slots

    def turn(self, stream: int, turns: int) -> None:
        """Let turns end for one stream."""
        leads = self._leads[stream]
        for _ in range(min(turns, len(leads))):
            leads[:-1] = leads[1:]

    def reach(self, streams: Ints, slots: Ints) -> None:
        """Note how far the foremost channel groups have come. streams, slots: int64 [T], each stream once."""
        self._leads[streams, -1] = np.maximum(self._leads[streams, -1], slots)

    def reach_one(self, stream: int, slot: int) -> None:
        """Note how far the foremost channel group of one stream has come."""
        leads = self._leads[stream]
        leads[-1] = max(leads[-1], slot)

    def turn_all(self, stream: Ints, turns: Ints, head: Ints) -> None:
        """Let turns end for many streams whose blocks were placed.

        stream, turns, head: int64 [M], stream by stream, each in the order in which its blocks came; `head` is the slot
        behind each block.
        """
        opens = _opens(stream)
        first = np.flatnonzero(opens)
        if not turns.any():
            self.reach(stream[first], np.maximum.reduceat(head, first))
            return
        rank = np.cumsum(opens) - 1
        # a running maximum within each stream: slots of different streams are kept apart by an offset
        apart = int(head.max()) + int(self._leads[stream[first], -1].max()) + 1
        before = np.empty_like(head)
        before[1:] = head[:-1]
        before[first] = self._leads[stream[first], -1]
        lead_before = np.maximum.accumulate(before + rank * apart) - rank * apart
        left = turns.copy()
        ending = np.flatnonzero(left)
        while len(ending):
            # of each stream the first block with a turn left; its turns end before it counts
            now = ending[_opens(stream[ending])]
            streams = stream[now]
            self._leads[streams, -1] = np.maximum(self._leads[streams, -1], lead_before[now])
            self._leads[streams, :-1] = self._leads[streams, 1:]
            left[now] -= 1
            ending = ending[left[ending] > 0]
        last = np.append(first[1:], len(stream)) - 1
        self.reach(stream[last], np.maximum(lead_before[last], head[last]))


def _opens(numbers: Ints) -> NDArray[np.bool_]:
    """Where equal numbers that follow one another begin: bool [M]. numbers: int64 [M]."""
    opens = np.ones(len(numbers), np.bool_)
    opens[1:] = numbers[1:] != numbers[:-1]
    return opens


def _since_last(number: Ints, arrival: Floats, came: Floats) -> Floats:
    """Seconds since the last block of the same number: float64 [M], NaN for the first. `came` is brought up to date.

    number: int64 [M]; arrival: float64 [M]; came: float64, by number.
    """
    order = _order_of(number)
    numbers, arrivals = number[order], arrival[order]
    opens = _opens(numbers)
    if opens.all():  # each once, as where many devices send one after another
        since = np.empty_like(arrivals)
        since[order] = arrivals - came[numbers]
        came[numbers] = arrivals
        return since
    before = np.empty_like(arrivals)
    before[1:] = arrivals[:-1]
    first = np.flatnonzero(opens)
    before[first] = came[numbers[first]]
    last = np.append(first[1:], len(numbers)) - 1
    came[numbers[last]] = arrivals[last]
    since = np.empty_like(arrivals)
    since[order] = arrivals - before
    return since


def _order_of(numbers: Ints) -> Ints | slice:
    """What sorts numbers, those that are equal in the order in which they came: int64 [M], or a slice. numbers: [M]."""
    if (numbers[1:] >= numbers[:-1]).all():
        return slice(None)
    return np.argsort(numbers, kind="stable")
