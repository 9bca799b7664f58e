"""Windows: `length` consecutive samples of all channels of one stream, cut every `stride` samples.

Windows of many streams travel together as one `WindowBatch`. The daemon cuts them from live rings; the trainer cuts
them from recordings through the very same `StreamWindows`, so that both see the same windows.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from monitor.core.discards import Reason
from monitor.core.grid import Floats, GridRules, Ints, SampleGrid
from monitor.core.growing import grown
from monitor.core.manifest import WindowSpec
from monitor.core.recording import Recording
from monitor.core.rings import Rings
from monitor.core.state import State, arrays_of, put_arrays

# A recording is fed in pieces of about this many samples: large enough for array operations, small enough for memory.
PIECE_SAMPLES = 16384
_WARY_BLOCK_SAMPLES = 16
# Blocks are cut to what a ring has room for, and every piece costs a round over all arrays. So rings are widened for
# long blocks, each up to so many bytes.
_WIDE_RING_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class WindowBatch:
    """B windows, oldest first within each stream.

    stream: int64 [B], the stream's number in its fleet. end_seconds: float64 [B], event time of the last sample.
    arrival_seconds: float64 [B], arrival of the message that completed it. coverage: float32 [B], the fraction of
    samples that were really received. values: float32 [B, C, L], not normalized.
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
        """The windows at `index`."""
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
class LaneBlocks:
    """M blocks on their way into the rings, N samples in all; one source, so all have the same width C'.

    lane, length: int64 [M]; columns: int64 [M, C'], which channels; first_time_seconds, arrival_seconds: float64 [M];
    timed: whether the payloads carried their time; values: float32 [N, C'].
    """

    lane: Ints
    columns: Ints
    first_time_seconds: Floats
    length: Ints
    arrival_seconds: Floats
    timed: bool
    values: NDArray[np.float32]


class StreamWindows:
    """Samples in, windows out, for the streams of one fleet: the grid, the rings and the cutting between them."""

    def __init__(self, channels: int, spec: WindowSpec, rules: GridRules) -> None:
        self.spec = spec
        # Blocks are no longer than this, and so is a gap that is filled: a round moves a lane by twice as much at most.
        self._round_samples = max(spec.length, spec.stride, spec.max_gap_samples, 64)
        # A ring holds one window, what a lagging lane may lag, and a round of new samples on top.
        self._held_samples = spec.length + rules.lateness_samples
        ring_samples = _WIDE_RING_BYTES // (4 * channels) - self._held_samples - spec.length
        self._widest_round_samples = max(self._round_samples, ring_samples // 2)
        reach = 2 * self._round_samples
        self.grid = SampleGrid(channels, rules, reach)
        self.rings = Rings(channels, spec.length, self._held_samples + reach)
        self._next_end: Ints = np.zeros(0, np.int64)
        self._run: Ints = np.zeros(0, np.int64)  # the run_start that _next_end was counted from

    def open_stream(self, stream: int, lanes: list[list[int]]) -> None:
        """Start stream number `stream`, whose channels arrive in these `lanes` (lists of channel numbers)."""
        self.grid.open_stream(stream, lanes)
        self.rings.open_stream(stream)
        self._next_end = grown(self._next_end, stream + 1, 0)
        self._run = grown(self._run, stream + 1, 0)
        self._run[stream] = 0
        self._next_end[stream] = self.spec.length

    def feed(self, blocks: LaneBlocks, discards: Counter[Reason]) -> Iterator[WindowBatch]:
        """Write blocks and cut what became complete, in rounds small enough that no window is overwritten uncut.

        Where a stream starts a new run, a round ends too: what the old run completed is cut first.

        Refused samples are added to `discards`.
        """
        longest = int(blocks.length.max(initial=0))
        if self._round_samples < min(longest, self._widest_round_samples):
            self._widen(longest)
        if longest > self._round_samples:
            blocks = self._split_long(blocks)
        order = np.argsort(blocks.lane, kind="stable")
        before = np.cumsum(blocks.length[order]) - blocks.length[order]
        opens = np.ones(len(order), np.bool_)
        opens[1:] = blocks.lane[order][1:] != blocks.lane[order][:-1]
        before -= np.maximum.accumulate(np.where(opens, before, 0))
        rounds = np.empty(len(order), np.int64)
        rounds[order] = before // self._round_samples
        for number in range(int(rounds.max(initial=-1)) + 1):
            part = blocks if not rounds.any() else _take_blocks(blocks, rounds == number)
            while len(part.lane):
                batch, deferred = self._feed_round(part, discards)
                if len(batch):
                    yield batch
                part = _take_blocks(part, deferred)

    def _widen(self, block_samples: int) -> None:
        """Let a round take blocks of this length whole, or as much of them as a wide ring can hold."""
        doubled = 1 << (block_samples - 1).bit_length()  # so that lengths that creep up do not move all rings each time
        self._round_samples = min(doubled, self._widest_round_samples)
        self.grid.reach = 2 * self._round_samples
        streams = np.arange(len(self.grid.run_start))
        end = self.grid.channel_heads(streams).max(axis=1, initial=0)
        self.rings.widen(self._held_samples + self.grid.reach, end)

    def _feed_round(self, blocks: LaneBlocks, discards: Counter[Reason]) -> tuple[WindowBatch, NDArray[np.bool_]]:
        placed = self.grid.place(
            blocks.lane, blocks.first_time_seconds, blocks.length, blocks.arrival_seconds, blocks.timed
        )
        discards.update(placed.discards)
        stream = blocks.lane // self.grid.channels
        self.rings.store(stream, blocks.columns, placed, blocks.length, blocks.values)
        return self._cut(np.unique(stream)), placed.deferred

    def _cut(self, streams: Ints) -> WindowBatch:
        length, stride = self.spec.length, self.spec.stride
        run = self.grid.run_start[streams]
        broken = streams[run != self._run[streams]]
        self._run[broken] = self.grid.run_start[broken]
        self._next_end[broken] = self.grid.run_start[broken] + length
        complete = self.grid.channel_heads(streams).min(axis=1)
        due = np.maximum((complete - self._next_end[streams]) // stride + 1, 0)
        owner = np.repeat(streams, due)
        nth = np.arange(len(owner)) - np.repeat(np.cumsum(due) - due, due)
        end = self._next_end[owner] + nth * stride
        self._next_end[streams] += due * stride
        return WindowBatch(
            stream=owner,
            end_seconds=self.grid.clock[owner] + (end - 1) * self.grid.rules.sample_period_seconds,
            arrival_seconds=self.grid.arrival[owner],
            coverage=self._coverage(owner, end),
            values=self.rings.gather(owner, end),
        )

    def _coverage(self, owner: Ints, end: Ints) -> NDArray[np.float32]:
        coverage = np.ones(len(owner), np.float32)
        filled = self.grid.filled
        for at in np.flatnonzero(filled.any(owner)).tolist():
            stream, start = int(owner[at]), int(end[at]) - self.spec.length
            coverage[at] -= filled.count(stream, start, int(end[at])) / self.spec.length
            filled.forget(stream, start)
        return coverage

    def last_sample_seconds(self, streams: Ints) -> Floats:
        """Event time of each stream's newest sample, whatever its channel: float64 [T], NaN before the first."""
        newest = self.grid.channel_heads(streams).max(axis=1) - 1
        last: Floats = self.grid.clock[streams] + newest * self.grid.rules.sample_period_seconds
        return last

    def snapshot(self, streams: Ints) -> State:
        """All about these streams that is still needed: the grid, and of the rings what windows to come reach back to.

        streams: int64 [T], the numbers in use.
        """
        end = self.grid.channel_heads(streams).max(axis=1) if len(streams) else streams
        # a window to come may begin so far behind the newest sample; the slot before it is what a gap is filled with
        reach_back = self._held_samples + 1
        return {
            "grid": self.grid.snapshot(),
            "streams": streams,
            "end": end,
            "tails": self.rings.tails(streams, end, reach_back),
            **arrays_of(self, ("_next_end", "_run")),
        }

    def restore(self, state: State) -> None:
        """Be as the one was that gave this state."""
        self.grid.restore(state["grid"])
        put_arrays(self, ("_next_end", "_run"), state)
        if len(self._next_end):
            self.rings.open_stream(len(self._next_end) - 1)
        self.rings.put_tails(state["streams"], state["end"], state["tails"])

    def _split_long(self, blocks: LaneBlocks) -> LaneBlocks:
        limit = self._round_samples
        pieces = -(-blocks.length // limit)
        nth = np.arange(int(pieces.sum())) - np.repeat(np.cumsum(pieces) - pieces, pieces)
        period = self.grid.rules.sample_period_seconds
        length = np.repeat(blocks.length, pieces)
        # a piece has arrived when its last sample would have: the block's arrival less what follows the piece
        later = np.maximum(length - (nth + 1) * limit, 0) * (0.0 if blocks.timed else period)
        return replace(
            blocks,
            lane=np.repeat(blocks.lane, pieces),
            columns=np.repeat(blocks.columns, pieces, axis=0),
            first_time_seconds=np.repeat(blocks.first_time_seconds, pieces) + nth * limit * period,
            length=np.minimum(length - nth * limit, limit),
            arrival_seconds=np.repeat(blocks.arrival_seconds, pieces) - later,
        )


def _take_blocks(blocks: LaneBlocks, chosen: NDArray[np.bool_]) -> LaneBlocks:
    return replace(
        blocks,
        lane=blocks.lane[chosen],
        columns=blocks.columns[chosen],
        first_time_seconds=blocks.first_time_seconds[chosen],
        length=blocks.length[chosen],
        arrival_seconds=blocks.arrival_seconds[chosen],
        values=blocks.values[np.repeat(chosen, blocks.length)],
    )


def segments_of(recording: Recording) -> Iterator[Recording]:
    """The unbroken parts of a recording. No window may span two of them, even where their times would allow it."""
    cuts = np.flatnonzero(np.diff(recording.segment)) + 1
    for rows in np.split(np.arange(len(recording.samples)), cuts):
        yield replace(
            recording,
            samples=recording.samples[rows],
            time_seconds=recording.time_seconds[rows],
            labels=None if recording.labels is None else recording.labels[rows],
            segment=recording.segment[rows],
        )


def recording_blocks(recording: Recording, lane: int = 0, piece_samples: int = PIECE_SAMPLES) -> Iterator[LaneBlocks]:
    """A segment of a recording as blocks of one lane that carries all its channels, in pieces of `piece_samples`.

    Rows that follow one another within half a sample period of the expected time form one block, which arrives when its
    last sample was taken.
    """
    count, width = recording.samples.shape
    period = recording.sample_period_seconds
    # Where time steps back, whole blocks are refused until the grid takes it for a new run: small ones cost less then.
    steps_back = bool((np.diff(recording.time_seconds) < 0).any())
    block_samples = _WARY_BLOCK_SAMPLES if steps_back else piece_samples
    breaks = np.ones(count, np.bool_)
    breaks[1:] = np.abs(np.diff(recording.time_seconds) - period) > period / 2
    for start in range(0, count, piece_samples):
        stop = min(start + piece_samples, count)
        opens = breaks[start:stop].copy()
        opens[::block_samples] = True
        first = np.flatnonzero(opens)
        length = np.diff(np.append(first, stop - start))
        times = recording.time_seconds[start:stop]
        yield LaneBlocks(
            lane=np.full(len(first), lane, np.int64),
            columns=np.tile(np.arange(width), (len(first), 1)),
            first_time_seconds=times[first],
            length=length,
            arrival_seconds=times[first] + (length - 1) * period,
            timed=True,
            values=recording.samples[start:stop],
        )


def windows_of(recording: Recording, spec: WindowSpec, sample_period_seconds: float) -> WindowBatch:
    """Cut a whole recording as the daemon would cut the same samples arriving live. `stream` is 0 everywhere."""
    width = len(recording.channels)
    rules = GridRules(sample_period_seconds, spec.length, spec.max_gap_samples)
    windows = StreamWindows(width, spec, rules)
    discards: Counter[Reason] = Counter()
    batches: list[WindowBatch] = []
    for segment in segments_of(recording):
        windows.open_stream(0, [list(range(width))])
        batches += [batch for blocks in recording_blocks(segment) for batch in windows.feed(blocks, discards)]
    if batches:
        return WindowBatch.join(batches)
    empty = np.zeros(0)
    values = np.zeros((0, width, spec.length), np.float32)
    return WindowBatch(empty.astype(np.int64), empty, empty, empty.astype(np.float32), values)


def window_labels(recording: Recording, batch: WindowBatch, length: int) -> NDArray[np.int8]:
    """Label windows of `recording`: int8 [B], 1 where any of the window's samples is labelled an anomaly.

    A window's samples are those with a time within half a sample period of its span of `length` samples.
    """
    if recording.labels is None:
        return np.zeros(len(batch), np.int8)
    period = recording.sample_period_seconds
    anomalous = np.sort(recording.time_seconds[recording.labels == 1])
    first = np.searchsorted(anomalous, batch.end_seconds - (length - 0.5) * period)
    last = np.searchsorted(anomalous, batch.end_seconds + 0.5 * period)
    return (last > first).astype(np.int8)
