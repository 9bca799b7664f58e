"""Blocks of several sources on their way into the rings of a model group, in the order in which their messages came."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from monitor.core.grid.arrivals import Arrivals, Floats, Ints
from monitor.core.grid.ring_buffers import Samples
from monitor.core.values.scorer import Floats32


@dataclass(frozen=True, slots=True)
class StreamBlocks:
    """M blocks on their way into the rings, N samples in all; one source, so all have the same width C'.

    channel group, length: int64 [M]; columns: int64 [M, C'], which channels; first_time_seconds, arrival_seconds:
    float64 [M]; timed: whether the payloads carried their time; values: float32 [N, C']. row: int64 [M], ascending,
    where the message of each stood among those of all sources; None: there is no other source.
    """

    channel_group: Ints
    columns: Ints
    first_time_seconds: Floats
    length: Ints
    arrival_seconds: Floats
    timed: bool
    values: Floats32
    row: Ints | None = None

    def select(self, chosen: NDArray[np.bool_]) -> "StreamBlocks":
        """Some of the blocks. chosen: bool [M]."""
        return replace(
            self,
            channel_group=self.channel_group[chosen],
            columns=self.columns[chosen],
            first_time_seconds=self.first_time_seconds[chosen],
            length=self.length[chosen],
            arrival_seconds=self.arrival_seconds[chosen],
            values=self.values[np.repeat(chosen, self.length)],
            row=None if self.row is None else self.row[chosen],
        )

    def in_pieces(self, most_samples: int, period_seconds: float) -> "StreamBlocks":
        """The same in blocks of at most so many samples."""
        count = -(-self.length // most_samples)
        nth = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
        length = np.repeat(self.length, count)
        # a piece has arrived when its last sample would have: the block's arrival less what follows the piece
        later = np.maximum(length - (nth + 1) * most_samples, 0) * (0.0 if self.timed else period_seconds)
        return replace(
            self,
            channel_group=np.repeat(self.channel_group, count),
            columns=np.repeat(self.columns, count, axis=0),
            first_time_seconds=np.repeat(self.first_time_seconds, count) + nth * most_samples * period_seconds,
            length=np.minimum(length - nth * most_samples, most_samples),
            arrival_seconds=np.repeat(self.arrival_seconds, count) - later,
            row=None if self.row is None else np.repeat(self.row, count),
        )


@dataclass(frozen=True, slots=True)
class PartOfRound:
    """What one source contributes to a round.

    blocks: int64 [m], which of the round's, or a slice; columns, first_row: of these; samples: of all blocks of the
    source.
    """

    blocks: Ints | slice
    columns: Ints
    first_row: Ints
    samples: Samples


class MergedBlocks:
    """Blocks of all sources in the order in which their messages came.

    arrivals: of M blocks. sources: of each its columns, int64 [m, C'], and samples. where: two int64 [M], which source
    each block comes from, and which of its blocks it is; None where it is the only source and all are there.
    """

    def __init__(
        self, arrivals: Arrivals, sources: Sequence[tuple[Ints, Samples]], where: tuple[Ints, Ints] | None
    ) -> None:
        self.arrivals = arrivals
        self._sources = sources
        self._where = where

    @classmethod
    def of(cls, parts: Sequence[StreamBlocks]) -> "MergedBlocks":
        """Merge the blocks of several sources (at least one)."""
        sources = [(part.columns, Samples(part.values, part.length)) for part in parts]
        if len(parts) == 1:
            (part,) = parts
            numbers = part.channel_group, part.first_time_seconds, part.length, part.arrival_seconds
            count = len(part.length)
            timed = np.empty(count, np.bool_)
            timed.fill(part.timed)
            return cls(Arrivals(*numbers, timed, np.zeros(count, np.int64)), sources, None)
        counts = [len(part.length) for part in parts]
        arrivals = Arrivals(
            np.concatenate([part.channel_group for part in parts]),
            np.concatenate([part.first_time_seconds for part in parts]),
            np.concatenate([part.length for part in parts]),
            np.concatenate([part.arrival_seconds for part in parts]),
            np.repeat([part.timed for part in parts], counts),
            np.zeros(sum(counts), np.int64),
        )
        where = np.repeat(np.arange(len(parts)), counts), np.concatenate([np.arange(count) for count in counts])
        rows = [np.arange(len(part.length)) if part.row is None else part.row for part in parts]
        return cls(arrivals, sources, where).select(np.argsort(np.concatenate(rows), kind="stable"))

    def __len__(self) -> int:
        """How many blocks."""
        return len(self.arrivals)

    def select(self, index: Ints) -> "MergedBlocks":
        """The blocks at `index`. index: int64 [m]."""
        if self._where is None:
            where = np.zeros(len(index), np.int64), index
        else:
            where = self._where[0][index], self._where[1][index]
        return MergedBlocks(self.arrivals.select(index), self._sources, where)

    def by_source(self) -> Iterator[PartOfRound]:
        """What each source contributes."""
        if self._where is None:
            ((columns, samples),) = self._sources
            yield PartOfRound(slice(None), columns, samples.first_row, samples)
            return
        for number, (columns, samples) in enumerate(self._sources):
            blocks = np.flatnonzero(self._where[0] == number)
            if len(blocks):
                nth = self._where[1][blocks]
                yield PartOfRound(blocks, columns[nth], samples.first_row[nth], samples)
