"""The line buffer: what the windows of a model's streams came to, until there is enough of it to be written."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from monitor.core.history.score_line import ScoreLine


class LineBuffer:
    """Windows of many streams, in columns. windows: how many wait."""

    def __init__(self) -> None:
        self.windows = 0
        self._numbers: list[NDArray[np.int64]] = []
        self._lines: list[ScoreLine] = []

    def add(self, numbers: NDArray[np.int64], line: ScoreLine) -> None:
        """Let windows wait. numbers: int64 [W], of their streams; the arrays are not changed any more."""
        self._numbers.append(numbers)
        self._lines.append(line)
        self.windows += len(numbers)

    def take(self, most_windows: int) -> tuple[list[tuple[int, ScoreLine]], int]:
        """Take all that waits: each stream's number and line, and how many windows were left out.

        most_windows: how many may stay, of all streams together. Where more wait, all of a score of 1 or more and of
        none stay, and of the others every second, third, …, so that no stream and no time is left out.
        """
        if not self.windows:
            return [], 0
        numbers = np.concatenate(self._numbers)
        line = ScoreLine.chain(self._lines)
        self._numbers, self._lines, self.windows = [], [], 0
        order = np.lexsort((line.ends_seconds, numbers))
        if len(order) > most_windows:
            every = -(-len(order) // max(most_windows, 1))
            stays = ~(line.score[order] < 1)
            stays[::every] = True
            left_out = int(len(order) - stays.sum())
            order = order[stays]
        else:
            left_out = 0
        return list(_by_stream(numbers[order], order, line)), left_out


def _by_stream(
    numbers: NDArray[np.int64], order: NDArray[np.int64], line: ScoreLine
) -> Iterator[tuple[int, ScoreLine]]:
    cuts = np.flatnonzero(np.diff(numbers)) + 1
    for start, stop in pairwise([0, *cuts.tolist(), len(numbers)]):
        yield int(numbers[start]), line.select(order[start:stop])
