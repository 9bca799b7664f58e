"""Recordings cut into windows, as the daemon would cut the same samples arriving live."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from monitor.core.artifact.manifest import WindowSpec
from monitor.core.dataset.recording import Recording
from monitor.core.grid.sample_grid import GridRules
from monitor.core.values.discards import Reason
from monitor.core.windows.stream_windows import StreamBlocks, StreamWindows, WindowBatch

# A recording is fed in pieces of about this many samples: large enough for array operations, small enough for memory.
PIECE_SAMPLES = 16384
_WARY_BLOCK_SAMPLES = 16


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


def recording_blocks(
    recording: Recording, channel_group: int = 0, piece_samples: int = PIECE_SAMPLES
) -> Iterator[StreamBlocks]:
    """A segment of a recording as blocks of one channel group with all channels, in pieces of `piece_samples`.

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
        yield StreamBlocks(
            channel_group=np.full(len(first), channel_group, np.int64),
            columns=np.tile(np.arange(width), (len(first), 1)),
            first_time_seconds=times[first],
            length=length,
            arrival_seconds=times[first] + (length - 1) * period,
            timed=True,
            values=recording.samples[start:stop],
        )


def recording_rows(recording: Recording, piece_samples: int) -> Iterator[StreamBlocks]:
    """The same pieces, each row a block without values: what its sampling rate is measured by."""
    count, width = recording.samples.shape
    for start in range(0, count, piece_samples):
        times = recording.time_seconds[start : start + piece_samples]
        ones = np.ones(len(times), np.int64)
        columns = np.tile(np.arange(width), (len(times), 1))
        yield StreamBlocks(0 * ones, columns, times, ones, times, timed=True, values=recording.samples[:0])


def windows_of(recording: Recording, spec: WindowSpec, sample_period_seconds: float) -> WindowBatch:
    """Cut a whole recording as the daemon would cut the same samples arriving live. `stream` is 0 everywhere."""
    width = len(recording.channels)
    rules = GridRules(sample_period_seconds, spec.length, spec.max_gap_samples)
    windows = StreamWindows(width, spec, rules)
    discards: Counter[Reason] = Counter()
    batches: list[WindowBatch] = []
    for segment in segments_of(recording):
        windows.open_stream(0, [list(range(width))])
        batches += [batch for blocks in recording_blocks(segment) for batch in windows.feed([blocks], discards)]
    if batches:
        return WindowBatch.join(batches)
    empty = np.zeros(0)
    values = np.zeros((0, width + len(spec.derived), spec.length), np.float32)
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
