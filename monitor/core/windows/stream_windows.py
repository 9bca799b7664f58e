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
from monitor.core.grid.sample_grid import Floats, GridRules, Ints, SampleGrid
from monitor.core.values.columns import in_range
from monitor.core.values.discards import Reason
from monitor.core.values.snapshots import LARGEST, Count, State, StateError, array_in, part_of, typed
from monitor.core.windows.clock_alignment import ClockAlignment
from monitor.core.windows.progress import Progress
from monitor.core.windows.rooms import Rooms
from monitor.core.windows.rounds import in_rounds
from monitor.core.windows.stream_blocks import MergedBlocks, StreamBlocks
from monitor.core.windows.window_batch import WindowBatch
from monitor.core.windows.window_cutter import WindowCutter
from monitor.core.windows.window_policies import WindowPolicy, window_policy_of

__all__ = ["StreamBlocks", "StreamWindows", "WindowBatch"]


class StreamWindows:
    """Samples in, windows out, for the streams of one model group: the grid, the rings and the cutting between them.

    channels: how many are measured; a cut may derive more.

    Raises:
        ValueError: the sample rate is too low for this cut.

    """

    def __init__(self, channels: int, spec: WindowSpec, rules: GridRules) -> None:
        self.spec = spec
        round_samples = max(spec.length, spec.stride, spec.max_gap_samples, 64)
        self._policy: WindowPolicy = window_policy_of(spec, rules.sample_period_seconds)
        # A ring holds what a cut looks back to, what a lagging channel group may lag (told by quarters, so that it may
        # be half as much again), and a round of new samples on top.
        # Before a window lies what its first samples are filled with where they are missing.
        self._lookback_samples = self._policy.lookback_samples + spec.max_gap_samples
        self._held_samples = self._lookback_samples + rules.lateness_samples * 3 // 2
        self.rings = Rings(channels, spec.length, self._held_samples + 2 * round_samples, rules.max_backlog_bytes)
        self.grid = SampleGrid(channels, rules, self.rings.slots - self._lookback_samples)
        self._rooms = Rooms(self.rings, self.grid, self._lookback_samples, self._held_samples, round_samples)
        self.grid.make_room = self._rooms.make_room
        self.alignment = ClockAlignment(self.grid)
        self.progress = Progress(self.grid.groups, max(spec.length, spec.stride), rules.sample_period_seconds)
        self._cutter = WindowCutter(spec, self._policy, self.grid, self.rings, self.progress)

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
        if self._rooms.round_samples < min(longest, self._rooms.widest_round_samples):
            self._rooms.widen(longest)
        if longest > self._rooms.round_samples:
            period = self.grid.rules.sample_period_seconds
            parts = [part.in_pieces(self._rooms.round_samples, period) for part in parts]
        blocks = MergedBlocks.of(parts)
        if self.grid.any_apart:
            self.grid.let_wait(blocks.arrivals)
        for chosen in in_rounds(blocks, self.grid, self._rooms):
            left = chosen
            while True:
                batch, deferred = self._feed_round(left, discards)
                if batch is not None:
                    yield batch
                if deferred is None:
                    break
                left = left.select(np.flatnonzero(deferred))
        if self.rings.wide:
            self._rooms.narrow()

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
        return self._cutter.complete(distinct(stream), blocks, placed), deferred

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
            if samples <= self.rings.slots or self._rooms.own_ring(int(one[0]), samples, backlog=True):
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
