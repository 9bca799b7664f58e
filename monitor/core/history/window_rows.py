"""Window rows: the windows of one stream with their samples, and the stretches that they join to."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from monitor.core.history.score_line import ScoreLine
from monitor.core.values.scorer import Floats32


@dataclass(frozen=True, slots=True)
class WindowRows:
    """B windows of one stream, oldest first. values: float32 [B, C, L], of the measured channels, NaN where masked."""

    line: ScoreLine
    values: Floats32

    def __len__(self) -> int:
        """How many windows."""
        return len(self.line)

    @property
    def nbytes(self) -> int:
        """Bytes of the samples, those counted twice that two windows share."""
        return int(self.values.nbytes)

    @staticmethod
    def join(parts: list["WindowRows"]) -> "WindowRows":
        """The windows of several (at least one), in order."""
        if len(parts) == 1:
            return parts[0]
        return WindowRows(
            ScoreLine.chain([part.line for part in parts]), np.concatenate([part.values for part in parts])
        )

    def select(self, chosen: slice | NDArray[np.bool_]) -> "WindowRows":
        """Some of the windows. chosen: bool [B], or a slice."""
        return WindowRows(self.line.select(chosen), self.values[chosen])


@dataclass(frozen=True, slots=True)
class Samples:
    """Consecutive samples, float32 [C, n], and the windows that end among them. start_seconds: of the first sample."""

    start_seconds: float
    values: Floats32
    line: ScoreLine


def consecutive(
    rows: WindowRows, sample_period_seconds: float, after_seconds: float = float("-inf")
) -> Iterator[Samples]:
    """Join windows to stretches of consecutive samples, so that what windows share is held once.

    after_seconds: what was taken until this time is held elsewhere, and left out. Where windows lie apart by less than
    their length, as beats do, the samples between them are missing (NaN); a longer gap, or a step back, ends a stretch.
    """
    if not len(rows):
        return
    length = rows.values.shape[2]
    steps = np.rint(np.diff(rows.line.ends_seconds) / sample_period_seconds).astype(np.int64)
    cuts = np.flatnonzero((steps <= 0) | (steps > 2 * length)) + 1
    bounds = [0, *cuts.tolist(), len(rows)]
    for start, stop in pairwise(bounds):
        part = rows.select(slice(start, stop))
        found = _one_run(part, steps[start : stop - 1], sample_period_seconds)
        rest = _after(found, after_seconds, sample_period_seconds)
        if rest is not None:
            yield rest


def _one_run(rows: WindowRows, steps: NDArray[np.int64], period: float) -> Samples:
    """One run of windows. steps: int64 [B - 1], by how many samples each ends behind the one before it."""
    count, channels, length = rows.values.shape
    first = float(rows.line.ends_seconds[0]) - (length - 1) * period
    step = int(steps[0]) if count > 1 else 0
    if count > 1 and step <= length and (steps == step).all():
        new = rows.values[1:, :, length - step :].transpose(1, 0, 2).reshape(channels, -1)
        return Samples(first, np.concatenate((rows.values[0], new), axis=1), rows.line)
    ends = length + np.concatenate(([0], np.cumsum(steps)))
    values = np.full((channels, int(ends[-1])), np.nan, np.float32)
    filled = 0
    for window, end in zip(rows.values, ends.tolist(), strict=True):
        new_samples = min(end - filled, length)
        values[:, end - new_samples : end] = window[:, length - new_samples :]
        filled = end
    return Samples(first, values, rows.line)


def _after(found: Samples, after_seconds: float, period: float) -> Samples | None:
    """What of a run is later; None where nothing is."""
    count = found.values.shape[1]
    if found.start_seconds > after_seconds:
        return found
    known = round((after_seconds - found.start_seconds) / period) + 1
    if known >= count:
        return None
    new = found.line.ends_seconds > after_seconds + period / 2
    return Samples(found.start_seconds + known * period, found.values[:, known:], found.line.select(new))
