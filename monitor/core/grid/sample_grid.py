"""The sample grid: which slot of its stream each sample belongs to.

Every stream numbers its samples: slot 0, 1, 2, …, one sample period apart. This module owns the rules by which event
time becomes slots; `ring_buffers.py` stores what lands in them. All depends on the order of messages and on their
arrivals, nothing on how they are cut into calls.

* A *channel group* is the set of channels of a stream that arrive together. Each channel group runs its own clock (the
  time of slot 0), so jitter between devices or topics never enters the grid.
* A block is *contiguous* when its time differs from the expected one by at most its tolerance. Messages are lost whole,
  so an error of less than half a block (and of `jitter_seconds`) is jitter; one within `jitter_samples` always is.
* Payloads without a timestamp take their arrival time. Networks only ever delay, so a channel group's clock follows its
  least delayed arrivals; when even those lag beyond its tolerance for `2 * arrival_jitter_seconds`, samples were lost.
* Missing samples: up to `max_gap_samples` in a row are filled; a longer gap breaks the run, and windows start anew.
* Channel groups wait for one another by arrival (`waits.py`): what one has delivered is kept until all have, or until
  one is late.
* What comes for a slot that is already past is refused: `duplicate` if that slot was received, `late` if not.
* When all that comes on a channel group has been late for longer than a window takes, its clock was set back: the
  stream starts a new run. That is measured by arrivals, since messages that are delivered again after a reconnect are
  many at once.
"""

from collections import Counter
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from monitor.core.grid.arrivals import Arrivals, Floats, Ints
from monitor.core.grid.block import Block, Round
from monitor.core.grid.block_rules import BlockRules
from monitor.core.grid.grid_columns import FEW_BLOCKS, GridRules, Placement

__all__ = ["Floats", "GridRules", "Ints", "Placement", "SampleGrid"]

_FEW_TURNS = 4  # after more of them, what is due was itself reached meanwhile


class SampleGrid(BlockRules):
    """Slots for the streams of one model group."""

    def place(self, blocks: Arrivals) -> Placement:
        """Assign slots to M blocks.

        Blocks of channel groups that behave are placed by array operations; the others one by one, by the same rules.
        The longest round of one channel group must fit into `room_samples`.
        """
        count, period = len(blocks), self.rules.sample_period_seconds
        if count <= FEW_BLOCKS:
            return self._place_few(blocks)
        order = np.argsort(blocks.channel_group, kind="stable")
        groups, lengths, arrivals = blocks.channel_group[order], blocks.length[order], blocks.arrival_seconds[order]
        timed = blocks.timed[order]
        times = np.where(timed, blocks.first_time_seconds[order], arrivals - (lengths - 1) * period)
        opens = np.ones(count, np.bool_)
        opens[1:] = groups[1:] != groups[:-1]
        start = np.flatnonzero(opens)  # where each channel group's blocks start
        rank = np.cumsum(opens) - 1
        before = np.cumsum(lengths) - lengths
        expected = self.head[groups] + before - before[start][rank]
        heads = expected + lengths
        stream = self.groups.stream(groups)
        clock = times - expected * period
        fine, clock, least = self._behaving(groups, start, rank, lengths, arrivals, times, timed, clock)
        if self.one_by_one:
            fine[:] = False
        fast = np.logical_and.reduceat(fine, start)[rank]
        if self.any_apart:
            fast &= self._is_even(stream, heads, blocks.turns[order], fast)
        if fast.any():
            last = (np.append(start[1:], count) - 1)[fast[start]]
            self.head[groups[last]] = heads[last]
            self._late_since[groups[last]] = np.nan
            self._group_clock[groups[last]] = clock[last]
            self._last_arrival[groups[last]] = arrivals[last]
            if least is not None:
                untimed, lag = groups[start][fast[start] & ~timed[start]], least[fast[start] & ~timed[start]]
                self._least_lag[untimed] = np.minimum(self._least_lag[untimed], np.maximum(lag, 0.0))
            if self.any_apart:
                last = last[np.argsort(order[last])]  # of a stream's channel groups the one that wrote last counts
                self._let_wait(stream, order, heads, blocks.turns[order], fast & self._apart[stream])
            self.clock[stream[last]] = clock[last]
            self.arrival[stream[last]] = arrivals[last]

        slot, take = np.zeros(count, np.int64), np.zeros(count, np.int64)
        slot[order], take[order] = np.where(fast, expected, 0), np.where(fast, lengths, 0)
        skip, fill = np.zeros(count, np.int64), np.zeros(count, np.int64)
        clocks = np.empty(count)
        clocks[order] = clock
        deferred = np.zeros(count, np.bool_)
        so_far = Round(Counter())
        plain = bool(fast.all())
        if not plain:
            self._place_in_turn(blocks, np.sort(order[~fast]), (slot, skip, take, fill), clocks, deferred, so_far)
        return Placement(slot, skip, take, fill, clocks, deferred, so_far.discards, plain)

    def _place_few(self, blocks: Arrivals) -> Placement:
        count, so_far = len(blocks), Round(Counter())
        slot, skip, take, fill = np.zeros((4, count), np.int64)
        clocks, deferred = np.empty(count), np.zeros(count, np.bool_)
        plain = self._place_in_turn(blocks, np.arange(count), (slot, skip, take, fill), clocks, deferred, so_far)
        return Placement(slot, skip, take, fill, clocks, deferred, so_far.discards, plain)

    def _place_in_turn(
        self,
        blocks: Arrivals,
        chosen: Ints,
        placed: tuple[Ints, ...],
        clocks: Floats,
        deferred: NDArray[np.bool_],
        so_far: Round,
    ) -> bool:
        """Place blocks one by one. chosen: int64 [m], which, in the order in which they came; the rest is written.

        Returns whether each just goes on where its channel group is.
        """
        held: set[int] = set()  # streams that wait for room: all that comes after waits, too
        slot, skip, take, fill = placed
        plain = True
        for at, block in zip(chosen.tolist(), self._blocks_at(blocks, chosen), strict=True):
            stream = self.groups.stream(block.channel_group)
            if stream in held:
                deferred[at] = True
                continue
            found = self._go_on(block, so_far)
            if found is None:
                plain = False
                found = self._place_one(block, so_far)
            if found is None:
                blocks.turns[at] = 0  # they have ended
                held.add(stream)
                deferred[at] = True
            else:
                slot[at], skip[at], take[at], fill[at] = found
                clocks[at] = self.clock[stream]
        return plain

    def _blocks_at(self, blocks: Arrivals, chosen: Ints) -> Iterator[Block]:
        period = self.rules.sample_period_seconds
        columns = (
            blocks.channel_group,
            blocks.first_time_seconds,
            blocks.length,
            blocks.arrival_seconds,
            blocks.timed,
            blocks.turns,
        )
        of_chosen = (column[chosen].tolist() for column in columns)
        for channel_group, first_time, length, arrival, timed, turns in zip(*of_chosen, strict=True):
            span = (length - 1) * period
            time = first_time if timed else arrival - span
            yield Block(channel_group, time, length, arrival, timed, time + span - arrival, turns)

    def _behaving(
        self,
        groups: Ints,
        start: Ints,
        rank: Ints,
        lengths: Ints,
        arrivals: Floats,
        times: Floats,
        timed: NDArray[np.bool_],
        clock: Floats,
    ) -> tuple[NDArray[np.bool_], Floats, Floats | None]:
        """Which blocks came as they should: bool [M]; the clock after each; the least lag of each group without time.

        clock: what each block by itself would make of the clock. All are sorted by channel group.
        """
        if timed.all():
            return self._is_contiguous(groups, start, lengths, arrivals, times), clock, None
        arriving = start[~timed[start]]
        self._follow_arrivals(groups[arriving], lengths[arriving], arrivals[arriving])
        fine, clock, least = self._is_unhurried(groups, start, rank, lengths, arrivals, clock, timed)
        if timed.any():
            fine = np.where(timed, self._is_contiguous(groups, start, lengths, arrivals, times), fine)
            fine &= timed == timed[start][rank]
        return fine, clock, least

    def _is_contiguous(
        self, groups: Ints, start: Ints, lengths: Ints, arrivals: Floats, times: Floats
    ) -> NDArray[np.bool_]:
        """Whether timed blocks follow one another as they should: bool [M]."""
        period = self.rules.sample_period_seconds
        wanted = np.empty(len(groups))
        wanted[1:] = times[:-1] + lengths[:-1] * period
        wanted[start] = self._group_clock[groups[start]] + self.head[groups[start]] * period
        with np.errstate(invalid="ignore"):
            fine = np.abs(times - wanted) <= self._tolerance_seconds(lengths)
        fine &= times + (lengths - 1) * period <= arrivals + self.rules.max_ahead_seconds
        return fine

    def _is_unhurried(
        self,
        groups: Ints,
        start: Ints,
        rank: Ints,
        lengths: Ints,
        arrivals: Floats,
        clock: Floats,
        timed: NDArray[np.bool_],
    ) -> tuple[NDArray[np.bool_], Floats, Floats]:
        """Whether blocks without time came as they should: bool [M]; the clock after each; the least lag of each group.

        clock: what each block by itself would make of the clock; for timed blocks that is what it comes to.
        """
        before = self._group_clock[groups]
        with np.errstate(invalid="ignore"):
            error = clock - before
            least = np.minimum.reduceat(error, start)
            # one by one, a block that comes sooner than any before would move the clock that the next are held to
            fine = error - np.minimum(least, 0.0)[rank] <= self.rules.arrival_jitter_seconds
            fine &= self._lost_samples(groups, lengths, arrivals, error) == 0
            # and one that comes after a long look lets the clock follow
            looked = arrivals - self._lag_since[groups] > self._look_seconds
            fine &= ~looked | (np.arange(len(rank)) == start[rank])
        # a running minimum within each channel group, which an offset keeps apart from that of the next
        error = np.where(fine & ~timed, np.minimum(error, 0.0), 0.0)
        apart = 1.0 - float(error.min())
        sooner = np.minimum.accumulate(error - rank * apart) + rank * apart
        return fine, np.where(timed, clock, before + sooner), least

    def _is_even(self, stream: Ints, heads: Ints, turns: Ints, fine: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Whether all of a stream can be placed at once: bool [M]. Where it has one channel group, it always can.

        Otherwise a channel group misbehaves, is to be left behind meanwhile, or goes further than there is room.
        stream, heads, turns: int64 [M], stream by stream; `head` is the slot behind each block.
        """
        opens = np.ones(len(stream), np.bool_)
        opens[1:] = stream[1:] != stream[:-1]
        first = np.flatnonzero(opens)
        streams = stream[first]
        turned = np.add.reduceat(turns, first)
        complete = self.channel_heads(streams).min(axis=1)
        even = np.logical_and.reduceat(fine, first) & (turned <= _FEW_TURNS)
        even &= complete >= self.waits.due(streams, turned)
        beyond = np.maximum.reduceat(heads, first) - np.maximum(complete, self.run_start[streams])
        room = np.full(len(streams), self.room_samples)
        if self.rooms:
            room[:] = [self.rooms.get(each, self.room_samples) for each in streams.tolist()]
        apart = self._apart[streams]
        for at in np.flatnonzero(even & apart & (beyond > room)).tolist():
            even[at] = self.make_room(int(streams[at]), int(beyond[at]))
        whole: NDArray[np.bool_] = (even | ~apart)[np.cumsum(opens) - 1]
        return whole

    def _let_wait(self, stream: Ints, order: Ints, heads: Ints, turns: Ints, chosen: NDArray[np.bool_]) -> None:
        """Note how far the channel groups of streams have come, and let their turns end.

        stream, order, heads, turns: int64 [M], stream by stream; `order` is that in which they came. chosen: bool [M].
        """
        mine = np.flatnonzero(chosen)
        if (
            len(mine) and turns[mine].any()
        ):  # which ends with which block of the stream: in the order in which they came
            mine = mine[np.lexsort((order[mine], stream[mine]))]
        if len(mine):
            self.waits.turn_all(stream[mine], turns[mine], heads[mine])
