"""Windows: `length` consecutive samples of all channels of one stream; `window_policies.py` says where each one lies.

Windows of many streams travel together as one `WindowBatch`. The daemon cuts them from live rings; the trainer cuts
them from recordings through the very same `StreamWindows`, so that both see the same windows.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.core.artifact.manifest import WindowSpec
from monitor.core.grid.arrivals import distinct
from monitor.core.grid.ring_buffers import Rings
from monitor.core.grid.sample_grid import Floats, GridRules, Ints, Placement, SampleGrid
from monitor.core.values.columns import in_range
from monitor.core.values.discards import Reason
from monitor.core.values.snapshots import LARGEST, Count, State, StateError, array_in, part_of, typed
from monitor.core.windows.clock_alignment import ClockAlignment
from monitor.core.windows.completion import completed_by
from monitor.core.windows.held_samples import hold_last
from monitor.core.windows.progress import Progress
from monitor.core.windows.stream_blocks import MergedBlocks, StreamBlocks
from monitor.core.windows.window_batch import WindowBatch
from monitor.core.windows.window_policies import CompleteWindows, WindowPolicy, window_policy_of

__all__ = ["StreamBlocks", "StreamWindows", "WindowBatch"]

# Blocks are cut to what a ring has room for. So rings are widened for long blocks, each up to so many bytes.
_WIDE_RING_BYTES = 64 * 1024
# What one stream brings in a call is placed in so many rounds; where it would take more, it gets a ring of its own.
_MOST_ROUNDS = 4


class StreamWindows:
    """Samples in, windows out, for the streams of one model group: the grid, the rings and the cutting between them.

    channels: how many are measured; a cut may derive more.

    Raises:
        ValueError: the sample rate is too low for this cut.

    """

    def __init__(self, channels: int, spec: WindowSpec, rules: GridRules) -> None:
        self.spec = spec
        # Blocks are no longer than this, and so is a gap that is filled: a round moves a channel group by twice as much
        # at most.
        self._round_samples = max(spec.length, spec.stride, spec.max_gap_samples, 64)
        self._policy: WindowPolicy = window_policy_of(spec, rules.sample_period_seconds)
        # A ring holds what a cut looks back to, what a lagging channel group may lag (told by quarters, so that it may
        # be half as much again), and a round of new samples on top.
        # Before a window lies what its first samples are filled with where they are missing.
        self._lookback_samples = self._policy.lookback_samples + spec.max_gap_samples
        self._held_samples = self._lookback_samples + rules.lateness_samples * 3 // 2
        ring_samples = _WIDE_RING_BYTES // (4 * channels) - self._held_samples - spec.length
        self._widest_round_samples = max(self._round_samples, ring_samples // 2)
        self.rings = Rings(channels, spec.length, self._held_samples + 2 * self._round_samples, rules.max_backlog_bytes)
        self.grid = SampleGrid(channels, rules, self.rings.slots - self._lookback_samples)
        self.grid.make_room = self._make_room
        self.alignment = ClockAlignment(self.grid)
        period = rules.sample_period_seconds
        self.progress = Progress(self.grid.groups, max(spec.length, spec.stride), period)

    def open_stream(self, stream: int, channel_groups: list[list[int]]) -> None:
        """Start stream number `stream`, whose channels arrive in these `channel_groups` (lists of channel numbers)."""
        self.grid.open_stream(stream, channel_groups)
        self.rings.open_stream(stream)
        self.alignment.open_stream(stream)
        self.progress.open_stream(stream)
        self._policy.open_stream(stream, int(self.grid.run_start[stream]))

    def close_stream(self, stream: int) -> None:
        """Let go of the samples of a stream that wait for others: nobody is to cut them any more."""
        self.grid.close_stream(stream)
        self.rings.close_stream(stream)

    def feed(self, parts: Sequence[StreamBlocks], discards: Counter[Reason]) -> Iterator[WindowBatch]:
        """Write the blocks of all sources and cut what became complete.

        What comes of messages does not depend on how they are cut into calls, nor on the order of `parts`. Refused
        samples are added to `discards`.
        """
        if not self.grid.any_apart:
            yield from self._feed(parts, discards)
            return
        for restarts, segment in self.alignment.segments(parts):
            for stream in restarts:
                self.grid.start_over(stream)
            yield from self._feed(segment, discards)

    def _feed(self, parts: Sequence[StreamBlocks], discards: Counter[Reason]) -> Iterator[WindowBatch]:
        longest = max((int(part.length.max(initial=0)) for part in parts), default=0)
        if not longest:
            return
        if self._round_samples < min(longest, self._widest_round_samples):
            self._widen(longest)
        if longest > self._round_samples:
            period = self.grid.rules.sample_period_seconds
            parts = [part.in_pieces(self._round_samples, period) for part in parts]
        blocks = MergedBlocks.of(parts)
        if self.grid.any_apart:
            self.grid.let_wait(blocks.arrivals)
        for chosen in self._rounds(blocks):
            left = chosen
            while True:
                batch, deferred = self._feed_round(left, discards)
                if batch is not None:
                    yield batch
                if deferred is None:
                    break
                left = left.select(np.flatnonzero(deferred))
        if self.rings.wide:
            self._narrow()

    def _rounds(self, blocks: MergedBlocks) -> Iterator[MergedBlocks]:
        """The blocks in rounds in which no stream goes further than its ring has room."""
        group, length = blocks.arrivals.channel_group, blocks.arrivals.length
        if int(length.sum()) <= self._round_samples:
            yield blocks
            return
        order = np.argsort(group, kind="stable")
        before = np.cumsum(length[order]) - length[order]
        opens = np.ones(len(order), np.bool_)
        opens[1:] = group[order][1:] != group[order][:-1]
        before -= np.maximum.accumulate(np.where(opens, before, 0))
        rounds = np.empty(len(order), np.int64)
        rounds[order] = before // self._round_samples
        loud = rounds >= _MOST_ROUNDS
        if loud.any():
            stream = self.grid.groups.stream(group)
            for number in np.unique(stream[loud]).tolist():
                mine = stream == number
                if self._make_round(number, int(length[mine].sum())):
                    rounds[mine] = 0
        if not rounds.any():
            yield blocks
            return
        if self.grid.any_apart:  # of no channel group a round before what came earlier of another
            rounds = _running_maximum(rounds, self.grid.groups.stream(group))
        by_round = np.argsort(rounds, kind="stable")
        ends = np.cumsum(np.bincount(rounds))
        for start, end in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True):
            yield blocks.select(by_round[start:end])

    def _make_round(self, stream: int, samples: int) -> bool:
        """Give a stream room to take so many samples in one round; whether it has it now.

        Where all channels come together, all is cut at once: the step bounds what is held. Elsewhere it may stay there.
        """
        apart = len(self.grid.groups_of(stream)) > 1
        return self._own_ring(stream, samples + 2 * self._round_samples, backlog=apart)

    def _make_room(self, stream: int, samples: int) -> bool:
        """Let a stream go on so far beyond what is complete, if there is memory for such a backlog."""
        return self._own_ring(stream, samples, backlog=True)

    def _own_ring(self, stream: int, samples: int, *, backlog: bool) -> bool:
        heads = self.grid.channel_heads(np.array([stream]))[0]
        wanted = max(self._lookback_samples + samples, self.rings.slots_of(stream))
        if not self.rings.widen_one(stream, wanted, heads, backlog=backlog):
            return False
        self.grid.rooms[stream] = self.rings.slots_of(stream) - self._lookback_samples
        return True

    def _narrow(self) -> None:
        """Take rings of their own from streams that have no need of them any more."""
        streams = np.array(self.rings.wide.streams)
        heads = self.grid.channel_heads(streams)
        waiting = heads.max(axis=1) - np.maximum(heads.min(axis=1), self.grid.run_start[streams])
        for at in np.flatnonzero(waiting <= self.grid.room_samples // 2).tolist():
            self.rings.narrow_one(int(streams[at]), heads[at])
            del self.grid.rooms[int(streams[at])]

    def _widen(self, block_samples: int) -> None:
        """Let a round take blocks of this length whole, or as much of them as a wide ring can hold."""
        doubled = 1 << (block_samples - 1).bit_length()  # so that lengths that creep up do not move all rings each time
        self._round_samples = min(doubled, self._widest_round_samples)
        streams = np.arange(self.grid.capacity)
        self.rings.widen(self._held_samples + 2 * self._round_samples, self._newest(streams))
        self.grid.room_samples = self.rings.slots - self._lookback_samples

    def _feed_round(
        self, blocks: MergedBlocks, discards: Counter[Reason]
    ) -> tuple[WindowBatch | None, NDArray[np.bool_] | None]:
        """Write blocks and cut what became complete. Returns with it which blocks are deferred; None: none is."""
        arrivals = blocks.arrivals
        placed = self.grid.place(arrivals)
        deferred = placed.deferred if not placed.plain and placed.deferred.any() else None
        if placed.plain:
            self.progress.take_in(arrivals.channel_group, arrivals.length)
        else:
            discards.update(placed.discards)
            there = arrivals.length if deferred is None else arrivals.length * ~deferred
            self.progress.take_in(arrivals.channel_group, there, placed.take)
        stream = self.grid.groups.stream(arrivals.channel_group)
        parts = list(blocks.by_source())
        for part in parts:
            at = part.blocks
            slot, skip, take = placed.slot[at], placed.skip[at], placed.take[at]
            self.rings.store(stream[at], part.columns, slot, skip, take, part.first_row, part.samples)
        if not placed.plain and placed.fill.any():
            every = np.arange(len(blocks))
            for part in parts:
                for block, columns in zip(every[part.blocks].tolist(), part.columns, strict=True):
                    if placed.fill[block]:
                        gap = int(placed.slot[block]), int(placed.fill[block])
                        self.rings.fill(int(stream[block]), columns, *gap)
        return self._complete(distinct(stream), blocks, placed), deferred

    def _complete(self, streams: Ints, blocks: MergedBlocks, placed: Placement) -> WindowBatch | None:
        """The windows of these streams that are complete now, by these blocks; None where none is, as mostly."""
        complete = self.grid.complete_slots(streams)
        broken = streams[self.grid.breaks.any(streams)] if self.grid.breaks else streams[:0]
        found = [*self._before_breaks(broken)] if len(broken) else []
        last = self._policy.due(streams, self.grid.run_start[streams], complete, self.rings)
        if not len(broken) and not len(last.stream):
            return None
        run = np.concatenate([*(begin for begin, _ in found), self.grid.run_start[last.stream]])
        windows = CompleteWindows.join([*(each for _, each in found), last])
        owner, end, derived = windows.stream, windows.end, windows.derived
        coverage = self._coverage(owner, end)
        for stream in broken.tolist():
            self.grid.gap_fills.forget(stream, int(self.grid.run_start[stream]))
        if not len(owner):
            return None
        self.progress.complete(owner)
        values = self.rings.gather(owner, end)
        if np.isnan(values.min()):
            self._hold_last(owner, end, run, values, coverage)
        if derived.shape[1]:
            constant = np.broadcast_to(derived[:, :, None], (*derived.shape, self.spec.length))
            values = np.concatenate((values, constant), axis=1)
            least = np.broadcast_to(coverage.min(axis=1, keepdims=True), derived.shape)
            coverage = np.concatenate((coverage, least), axis=1)
        clock, arrival = self.grid.clock[owner], self.grid.arrival[owner]
        if len(streams) < len(blocks):  # not the last block of a stream, but the one that completed it
            groups = self.grid.channel_groups_of(owner)
            groups = groups if self.grid.any_apart else groups[:, :1]
            by = completed_by(groups, end, blocks.arrivals.channel_group, placed)
            clock = np.where(by >= 0, placed.clock[by], clock)
            arrival = np.where(by >= 0, blocks.arrivals.arrival_seconds[by], arrival)
        return WindowBatch(
            stream=owner,
            end_seconds=clock + (end - 1) * self.grid.rules.sample_period_seconds,
            arrival_seconds=arrival,
            coverage=coverage,
            values=values,
        )

    def _before_breaks(self, streams: Ints) -> Iterator[tuple[Ints, CompleteWindows]]:
        """The windows that end before a break which is passed now, and where their runs began.

        The runs of these streams begin behind it.
        """
        grid = self.grid
        for at, complete in enumerate(grid.complete_slots(streams).tolist()):
            mine = streams[at : at + 1]
            for start, end in grid.breaks.take(int(mine[0]), complete):
                if start - grid.run_start[mine[0]] >= self.spec.length:
                    found = self._policy.due(mine, grid.run_start[mine], np.array([start]), self.rings)
                    yield grid.run_start[found.stream], found
                grid.run_start[mine[0]] = max(int(grid.run_start[mine[0]]), end)

    def _coverage(self, owner: Ints, end: Ints) -> NDArray[np.float32]:
        coverage = np.ones((len(owner), self.grid.groups.channels), np.float32)
        gap_fills = self.grid.gap_fills
        for at in np.flatnonzero(gap_fills.any(owner)).tolist():
            stream, start = int(owner[at]), int(end[at]) - self.spec.length
            coverage[at] -= self.grid.filled(stream, start, int(end[at])) / self.spec.length
            gap_fills.forget(stream, start)
        return coverage

    def _hold_last(
        self, owner: Ints, end: Ints, run: Ints, values: NDArray[np.float32], coverage: NDArray[np.float32]
    ) -> None:
        """Fill what is missing in windows [B, C, L] as short gaps are, and lower their coverage [B, C]."""
        rows, before = np.flatnonzero(np.isnan(values).any(axis=(1, 2))), self.spec.max_gap_samples
        start = end[rows] - self.spec.length
        ahead = self.rings.tails(owner[rows], start, before)
        slots = start[:, None] - before + np.arange(before)
        of_another_run = slots < run[rows, None]
        ahead[np.broadcast_to(of_another_run[:, None], ahead.shape)] = np.nan
        samples = np.concatenate((ahead, values[rows]), axis=2)
        values[rows], missing = hold_last(samples, before, before)
        coverage[rows] -= missing / np.float32(self.spec.length)

    def last_sample_seconds(self, streams: Ints) -> Floats:
        """Event time of each stream's newest sample, whatever its channel: float64 [T], NaN before the first.

        streams: int64 [T].
        """
        last: Floats = self.grid.clock[streams] + (self._newest(streams) - 1) * self.grid.rules.sample_period_seconds
        return last

    def snapshot(self, streams: Ints) -> State:
        """All about these streams that is still needed: the grid, and of the rings what windows to come reach back to.

        streams: int64 [T], the numbers in use.
        """
        newest = self._newest(streams)
        return {
            "grid": self.grid.snapshot(streams),
            "tails": self.rings.tails(streams, newest, self._tail_samples),
            "backlogs": [
                [at, self.rings.tails(streams[at : at + 1], newest[at : at + 1], count)[0]]
                for at, count in enumerate(self._backlog_samples(streams).tolist())
                if count
            ],
            "policy": self._policy.snapshot(streams),
        }

    def _backlog_samples(self, streams: Ints) -> Ints:
        """How many samples streams have yet to keep where a tail is too short for them, and else 0: int64 [T]."""
        heads = self.grid.channel_heads(streams)
        waiting = heads.max(axis=1) - np.maximum(heads.min(axis=1), self.grid.run_start[streams])
        needed = self._lookback_samples + waiting + 1
        found: Ints = np.where(needed > self._tail_samples, needed, 0)
        return found

    def schema(self) -> list[Any]:
        """What a snapshot is made of, as plain values."""
        return [self.grid.schema(), self._policy.schema()]

    def check(self, state: object, count: int) -> None:
        """See whether `state` is a snapshot of `count` streams; raises StateError if it is not."""
        self.grid.check(part_of(state, "grid"), count)
        array_in(state, "tails", np.float32, (count, self.grid.groups.channels, self._tail_samples))
        self._policy.check(part_of(state, "policy"), count)
        grid, policy = part_of(state, "grid"), part_of(state, "policy")
        if (grid["run_start"] != policy["run"]).any():
            raise StateError("windows of other runs")
        # what is to be cut lies in the rings, and is not without end
        newest = grid["head"].reshape(count, self.grid.groups.channels).max(axis=1)
        held = np.full(count, self._held_samples)
        for at, backlog in typed(part_of(state, "backlogs"), list[tuple[Count, Any]]):
            if at >= count or getattr(backlog, "ndim", 0) != 2:
                raise StateError("a backlog of no stream")
            array_in({"backlog": backlog}, "backlog", np.float32, (self.grid.groups.channels, backlog.shape[1]))
            held[at] = max(self._held_samples, backlog.shape[1])
        in_range(newest - self._policy.cut_before(policy) - held, -2 * LARGEST, 0)

    def restore(self, streams: Ints, state: State) -> None:
        """Give streams that were just opened what a snapshot that passes `check` says. streams: int64 [T]."""
        self.grid.restore(streams, state["grid"])
        self._policy.restore(streams, state["policy"])
        newest = self._newest(streams)
        self.rings.put_tails(streams, newest, state["tails"])
        for at, backlog in state["backlogs"]:
            one, samples = streams[at : at + 1], backlog.shape[1]
            if samples <= self.rings.slots or self._own_ring(int(one[0]), samples, backlog=True):
                self.rings.put_tails(one, newest[at : at + 1], backlog[None])
            else:  # a lower limit than before
                self.grid.begin_run(int(one[0]), int(newest[at]))

    @property
    def _tail_samples(self) -> int:
        # what is to be cut may begin so far behind the newest sample; the slot before it is what a gap is filled with
        return self._held_samples + 1

    def _newest(self, streams: Ints) -> Ints:
        """The slot behind the newest sample of each stream [T], whatever its channel."""
        newest: Ints = self.grid.channel_heads(streams).max(axis=1)
        return newest


def _running_maximum(numbers: Ints, stream: Ints) -> Ints:
    """The greatest number of each stream so far: int64 [M]. numbers: int64 [M], not negative; stream: int64 [M]."""
    order = np.argsort(stream, kind="stable")
    rank = np.cumsum(np.concatenate(([0], np.diff(stream[order]) != 0)))
    apart = int(numbers.max()) + 1
    found = np.empty_like(numbers)
    found[order] = np.maximum.accumulate(numbers[order] + rank * apart) - rank * apart
    return found
