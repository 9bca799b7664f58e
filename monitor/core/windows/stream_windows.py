"""Windows: `length` consecutive samples of all channels of one stream; `window_policies.py` says where each one lies.

Windows of many streams travel together as one `WindowBatch`. The daemon cuts them from live rings; the trainer cuts
them from recordings through the very same `StreamWindows`, so that both see the same windows.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.core.artifact.manifest import WindowSpec
from monitor.core.grid.ring_buffers import Rings
from monitor.core.grid.sample_grid import Floats, GridRules, Ints, SampleGrid
from monitor.core.values.columns import in_range
from monitor.core.values.discards import Reason
from monitor.core.values.snapshots import LARGEST, State, StateError, array_in, part_of
from monitor.core.windows.held_samples import hold_last
from monitor.core.windows.window_policies import WindowPolicy, window_policy_of

# Blocks are cut to what a ring has room for, and every piece costs a round over all arrays. So rings are widened for
# long blocks, each up to so many bytes.
_WIDE_RING_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class WindowBatch:
    """B windows, oldest first within each stream.

    stream: int64 [B], the stream's number in its model group. end_seconds: float64 [B], event time of the last sample.
    arrival_seconds: float64 [B], arrival of the message that completed it. coverage: float32 [B, C], the fraction of
    samples that were really received, by channel. values: float32 [B, C, L], not normalized; where the cut derives
    channels, they are the last of the C.
    """

    stream: NDArray[np.int64]
    end_seconds: NDArray[np.float64]
    arrival_seconds: NDArray[np.float64]
    coverage: NDArray[np.float32]
    values: NDArray[np.float32]

    def __len__(self) -> int:
        """How many windows."""
        return len(self.stream)

    def select(self, index: NDArray[np.bool_] | Ints | slice) -> "WindowBatch":
        """The windows at `index`. index: bool [B], int64 [n], or a slice."""
        return WindowBatch(
            self.stream[index],
            self.end_seconds[index],
            self.arrival_seconds[index],
            self.coverage[index],
            self.values[index],
        )

    @staticmethod
    def join(batches: list["WindowBatch"]) -> "WindowBatch":
        """One batch of several (at least one), in order."""
        if len(batches) == 1:
            return batches[0]
        return WindowBatch(
            np.concatenate([batch.stream for batch in batches]),
            np.concatenate([batch.end_seconds for batch in batches]),
            np.concatenate([batch.arrival_seconds for batch in batches]),
            np.concatenate([batch.coverage for batch in batches]),
            np.concatenate([batch.values for batch in batches]),
        )


@dataclass(frozen=True, slots=True)
class StreamBlocks:
    """M blocks on their way into the rings, N samples in all; one source, so all have the same width C'.

    channel group, length: int64 [M]; columns: int64 [M, C'], which channels; first_time_seconds, arrival_seconds:
    float64 [M]; timed: whether the payloads carried their time; values: float32 [N, C'].
    """

    channel_group: Ints
    columns: Ints
    first_time_seconds: Floats
    length: Ints
    arrival_seconds: Floats
    timed: bool
    values: NDArray[np.float32]


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
        # A ring holds what a cut looks back to, what a lagging channel group may lag, and a round of new samples on
        # top.
        # Before a window lies what its first samples are filled with where they are missing.
        self._held_samples = self._policy.lookback_samples + rules.lateness_samples + spec.max_gap_samples
        ring_samples = _WIDE_RING_BYTES // (4 * channels) - self._held_samples - spec.length
        self._widest_round_samples = max(self._round_samples, ring_samples // 2)
        max_advance = 2 * self._round_samples
        self.grid = SampleGrid(channels, rules, max_advance)
        self.rings = Rings(channels, spec.length, self._held_samples + max_advance)

    def open_stream(self, stream: int, channel_groups: list[list[int]]) -> None:
        """Start stream number `stream`, whose channels arrive in these `channel_groups` (lists of channel numbers)."""
        self.grid.open_stream(stream, channel_groups)
        self.rings.open_stream(stream)
        self._policy.open_stream(stream, int(self.grid.run_start[stream]))

    def feed(self, blocks: StreamBlocks, discards: Counter[Reason]) -> Iterator[WindowBatch]:
        """Write blocks and cut what became complete, in rounds small enough that no window is overwritten uncut.

        Where a stream starts a new run, a round ends too: what the old run completed is cut first.

        Refused samples are added to `discards`.
        """
        longest = int(blocks.length.max(initial=0))
        if self._round_samples < min(longest, self._widest_round_samples):
            self._widen(longest)
        if longest > self._round_samples:
            blocks = self._split_long(blocks)
        for part in self._rounds(blocks):
            waiting = part
            while len(waiting.channel_group):
                batch, deferred = self._feed_round(waiting, discards)
                if batch is not None:
                    yield batch
                if not deferred.any():
                    break
                waiting = _take_blocks(waiting, deferred)

    def _rounds(self, blocks: StreamBlocks) -> Iterator[StreamBlocks]:
        if len(blocks.values) <= self._round_samples:  # whosever they are
            yield blocks
            return
        order = np.argsort(blocks.channel_group, kind="stable")
        before = np.cumsum(blocks.length[order]) - blocks.length[order]
        opens = np.ones(len(order), np.bool_)
        opens[1:] = blocks.channel_group[order][1:] != blocks.channel_group[order][:-1]
        before -= np.maximum.accumulate(np.where(opens, before, 0))
        rounds = np.empty(len(order), np.int64)
        rounds[order] = before // self._round_samples
        for number in range(int(rounds.max(initial=-1)) + 1):
            yield blocks if not rounds.any() else _take_blocks(blocks, rounds == number)

    def _widen(self, block_samples: int) -> None:
        """Let a round take blocks of this length whole, or as much of them as a wide ring can hold."""
        doubled = 1 << (block_samples - 1).bit_length()  # so that lengths that creep up do not move all rings each time
        self._round_samples = min(doubled, self._widest_round_samples)
        self.grid.max_advance = 2 * self._round_samples
        streams = np.arange(self.grid.capacity)
        self.rings.widen(self._held_samples + self.grid.max_advance, self._newest(streams))

    def _feed_round(
        self, blocks: StreamBlocks, discards: Counter[Reason]
    ) -> tuple[WindowBatch | None, NDArray[np.bool_]]:
        placed = self.grid.place(
            blocks.channel_group, blocks.first_time_seconds, blocks.length, blocks.arrival_seconds, blocks.timed
        )
        discards.update(placed.discards)
        stream = self.grid.groups.stream(blocks.channel_group)
        self.rings.store(stream, blocks.columns, placed, blocks.length, blocks.values)
        return self._complete(np.unique(stream)), placed.deferred

    def _complete(self, streams: Ints) -> WindowBatch | None:
        """The windows of these streams that are complete now; None where none is, as in most rounds."""
        complete = self.grid.channel_heads(streams).min(axis=1)
        found = self._policy.due(streams, self.grid.run_start[streams], complete, self.rings)
        owner, end = found.stream, found.end
        if not len(owner):
            return None
        values, coverage = self.rings.gather(owner, end), self._coverage(owner, end)
        if np.isnan(values.min()):
            self._hold_last(owner, end, values, coverage)
        if found.derived.shape[1]:
            constant = np.broadcast_to(found.derived[:, :, None], (*found.derived.shape, self.spec.length))
            values = np.concatenate((values, constant), axis=1)
            least = np.broadcast_to(coverage.min(axis=1, keepdims=True), found.derived.shape)
            coverage = np.concatenate((coverage, least), axis=1)
        return WindowBatch(
            stream=owner,
            end_seconds=self.grid.clock[owner] + (end - 1) * self.grid.rules.sample_period_seconds,
            arrival_seconds=self.grid.arrival[owner],
            coverage=coverage,
            values=values,
        )

    def _coverage(self, owner: Ints, end: Ints) -> NDArray[np.float32]:
        coverage = np.ones((len(owner), self.grid.groups.channels), np.float32)
        gap_fills = self.grid.gap_fills
        for at in np.flatnonzero(gap_fills.any(owner)).tolist():
            stream, start = int(owner[at]), int(end[at]) - self.spec.length
            coverage[at] -= self.grid.filled(stream, start, int(end[at])) / self.spec.length
            gap_fills.forget(stream, start)
        return coverage

    def _hold_last(self, owner: Ints, end: Ints, values: NDArray[np.float32], coverage: NDArray[np.float32]) -> None:
        """Fill what is missing in windows [B, C, L] as short gaps are, and lower their coverage [B, C]."""
        rows, before = np.flatnonzero(np.isnan(values).any(axis=(1, 2))), self.spec.max_gap_samples
        start = end[rows] - self.spec.length
        ahead = self.rings.tails(owner[rows], start, before)
        slots = start[:, None] - before + np.arange(before)
        of_another_run = slots < self.grid.run_start[owner[rows], None]
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
        return {
            "grid": self.grid.snapshot(streams),
            "tails": self.rings.tails(streams, self._newest(streams), self._tail_samples),
            "policy": self._policy.snapshot(streams),
        }

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
        in_range(newest - self._policy.cut_before(policy), -LARGEST, self._held_samples)

    def restore(self, streams: Ints, state: State) -> None:
        """Give streams that were just opened what a snapshot that passes `check` says. streams: int64 [T]."""
        self.grid.restore(streams, state["grid"])
        self._policy.restore(streams, state["policy"])
        self.rings.put_tails(streams, self._newest(streams), state["tails"])

    @property
    def _tail_samples(self) -> int:
        # what is to be cut may begin so far behind the newest sample; the slot before it is what a gap is filled with
        return self._held_samples + 1

    def _newest(self, streams: Ints) -> Ints:
        """The slot behind the newest sample of each stream [T], whatever its channel."""
        newest: Ints = self.grid.channel_heads(streams).max(axis=1)
        return newest

    def _split_long(self, blocks: StreamBlocks) -> StreamBlocks:
        limit = self._round_samples
        pieces = -(-blocks.length // limit)
        nth = np.arange(int(pieces.sum())) - np.repeat(np.cumsum(pieces) - pieces, pieces)
        period = self.grid.rules.sample_period_seconds
        length = np.repeat(blocks.length, pieces)
        # a piece has arrived when its last sample would have: the block's arrival less what follows the piece
        later = np.maximum(length - (nth + 1) * limit, 0) * (0.0 if blocks.timed else period)
        return replace(
            blocks,
            channel_group=np.repeat(blocks.channel_group, pieces),
            columns=np.repeat(blocks.columns, pieces, axis=0),
            first_time_seconds=np.repeat(blocks.first_time_seconds, pieces) + nth * limit * period,
            length=np.minimum(length - nth * limit, limit),
            arrival_seconds=np.repeat(blocks.arrival_seconds, pieces) - later,
        )


def _take_blocks(blocks: StreamBlocks, chosen: NDArray[np.bool_]) -> StreamBlocks:
    return replace(
        blocks,
        channel_group=blocks.channel_group[chosen],
        columns=blocks.columns[chosen],
        first_time_seconds=blocks.first_time_seconds[chosen],
        length=blocks.length[chosen],
        arrival_seconds=blocks.arrival_seconds[chosen],
        values=blocks.values[np.repeat(chosen, blocks.length)],
    )
