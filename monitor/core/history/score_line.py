"""The score line: what every window of a stream came to, without its samples."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.core.values.scorer import Floats32


@dataclass(frozen=True, slots=True)
class ScoreLine:
    """W windows of one stream, by time.

    ends_seconds: float64 [W], event time of the last sample; score: float32 [W], NaN where withheld; verdict, quality:
    int8 [W], numbers of `Verdict` and of `QUALITIES`.
    """

    ends_seconds: NDArray[np.float64]
    score: Floats32
    verdict: NDArray[np.int8]
    quality: NDArray[np.int8]

    def __len__(self) -> int:
        """How many windows."""
        return len(self.ends_seconds)

    @staticmethod
    def join(lines: list["ScoreLine"]) -> "ScoreLine":
        """One line of several (or none), by time; of windows that end together the first stays."""
        if not lines:
            nothing = np.zeros(0)
            return ScoreLine(nothing, nothing.astype(np.float32), nothing.astype(np.int8), nothing.astype(np.int8))
        chained = ScoreLine.chain(lines)
        _, first = np.unique(chained.ends_seconds, return_index=True)
        return chained.select(first)

    @staticmethod
    def chain(lines: list["ScoreLine"]) -> "ScoreLine":
        """The windows of several lines (at least one), one line after the other."""
        if len(lines) == 1:
            return lines[0]
        return ScoreLine(
            np.concatenate([line.ends_seconds for line in lines]),
            np.concatenate([line.score for line in lines]),
            np.concatenate([line.verdict for line in lines]),
            np.concatenate([line.quality for line in lines]),
        )

    def select(self, at: slice | NDArray[np.bool_] | NDArray[np.int64]) -> "ScoreLine":
        """The windows at `at`. at: bool [W], int64 [n], or a slice."""
        return ScoreLine(self.ends_seconds[at], self.score[at], self.verdict[at], self.quality[at])

    def between(self, since_seconds: float, until_seconds: float) -> "ScoreLine":
        """The windows that end between these two times, both included."""
        return self.select((self.ends_seconds >= since_seconds) & (self.ends_seconds <= until_seconds))
