"""Stretches: consecutive samples of a stream, as the history keeps them and as a refit reads them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

# Why a stretch is kept: as part of a sample, because the stream is slow enough to be kept whole, because an alert was
# open then or near, or because a person labelled the time. The last two are exempt from ageing.
Kept = Literal["sample", "whole", "alert", "label"]
EXEMPT: tuple[Kept, ...] = ("alert", "label")


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive samples of a stream, with what its windows came to.

    channels: the C measured ones. values: float32 [C, n], NaN where missing; the first sample was taken at
    start_seconds (event time, epoch). ends_seconds: float64 [W], of its windows, by their last sample; score: float32
    [W], NaN where withheld; verdict, quality: int8 [W], numbers of `Verdict` and of `QUALITIES`. The first windows may
    begin before the stretch does. kept: why.
    """

    model: str
    stream: str
    version: str
    channels: tuple[str, ...]
    sample_period_seconds: float
    start_seconds: float
    values: NDArray[np.float32]
    ends_seconds: NDArray[np.float64]
    score: NDArray[np.float32]
    verdict: NDArray[np.int8]
    quality: NDArray[np.int8]
    kept: Kept

    @property
    def samples(self) -> int:
        """How many samples of each channel: n."""
        return int(self.values.shape[1])

    @property
    def end_seconds(self) -> float:
        """When the last sample was taken."""
        return self.start_seconds + (self.samples - 1) * self.sample_period_seconds


def joined(stretches: Iterable[Stretch]) -> Iterator[Stretch]:
    """Join neighbours that touch or overlap, where they are of the same artifact.

    stretches: of one model and stream, by time. What two of them hold of the same time is taken from the first.
    """
    parts: list[Stretch] = []
    for stretch in stretches:
        if parts and _follows(parts[-1], stretch):
            rest = _behind(parts[-1], stretch)
            if rest is not None:
                parts.append(rest)
            continue
        if parts:
            yield _one_of(parts)
        parts = [stretch]
    if parts:
        yield _one_of(parts)


def _follows(first: Stretch, second: Stretch) -> bool:
    same = (first.version, first.channels) == (second.version, second.channels)
    same = same and first.sample_period_seconds == second.sample_period_seconds
    return same and second.start_seconds - first.end_seconds < 1.5 * first.sample_period_seconds


def _behind(first: Stretch, second: Stretch) -> Stretch | None:
    """What the second holds that is later than all of the first; None where that is nothing."""
    period = first.sample_period_seconds
    known = max(round((first.end_seconds - second.start_seconds) / period) + 1, 0)
    if known >= second.samples:
        return None
    new = second.ends_seconds > first.end_seconds + period / 2
    return replace(
        second,
        start_seconds=second.start_seconds + known * period,
        values=second.values[:, known:],
        ends_seconds=second.ends_seconds[new],
        score=second.score[new],
        verdict=second.verdict[new],
        quality=second.quality[new],
    )


def _one_of(parts: list[Stretch]) -> Stretch:
    if len(parts) == 1:
        return parts[0]
    kept = {part.kept for part in parts}
    return replace(
        parts[0],
        values=np.concatenate([part.values for part in parts], axis=1),
        ends_seconds=np.concatenate([part.ends_seconds for part in parts]),
        score=np.concatenate([part.score for part in parts]),
        verdict=np.concatenate([part.verdict for part in parts]),
        quality=np.concatenate([part.quality for part in parts]),
        kept=parts[0].kept if len(kept) == 1 else "sample",
    )
