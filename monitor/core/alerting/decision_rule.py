"""Verdicts: threshold, quality, k-of-n and hysteresis.

A score above 1.0 is anomalous. A stream becomes `pending` with its first anomalous window and `firing` when `k` of its
last `n` judged windows are anomalous. A pending stream lapses when none of the last `n` is; a firing one is released by
`release_windows` judged windows in a row below `release_score`. Withheld windows change nothing.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from monitor.core.values.columns import Columns, column, in_range
from monitor.core.values.snapshots import LARGEST, part_of

Ints = NDArray[np.int64]


class DecisionSettings(BaseModel):
    """When anomalous windows become an alert, and when it is over."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    k: Annotated[int, Field(ge=1, le=64)] = 2
    """A stream fires when so many of its last `n` windows are anomalous."""

    n: Annotated[int, Field(ge=1, le=64)] = 3
    """How many windows back are looked at."""

    release_score: Annotated[float, Field(gt=0, le=1)] = 0.9
    """A firing stream calms down below this score. Below 1.0, so that a score around the threshold does not flap."""

    release_windows: Annotated[int, Field(ge=1, le=10000)] = 3
    """So many windows in a row below `release_score` end the alert."""

    @model_validator(mode="after")
    def _k_fits_n(self) -> "DecisionSettings":
        if self.k > self.n:
            raise ValueError(f"k ({self.k}) must not exceed n ({self.n})")
        return self


class Verdict(IntEnum):
    """Of one window."""

    NORMAL = 0
    ANOMALOUS = 1
    WITHHELD = 2


class Phase(IntEnum):
    """Of one stream."""

    CALM = 0
    PENDING = 1
    FIRING = 2


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What B windows came to.

    verdict: int8 [B], `Verdict` codes. transitions: the windows (by index, ascending) after which their stream was in
    another phase than before, with the phase it left and the one it entered.
    """

    verdict: NDArray[np.int8]
    transitions: tuple[tuple[int, Phase, Phase], ...]


class DecisionRule(Columns):
    """Phases of the streams of one model group."""

    phase: NDArray[np.int8] = column("phase", np.int8)
    _history: NDArray[np.uint64] = column("history", np.uint64)  # one bit per judged window, the last one lowest
    _calm_run: Ints = column("calm_run", np.int64)

    def __init__(self, settings: DecisionSettings) -> None:
        super().__init__()
        self.settings = settings
        self._mask = np.uint64((1 << settings.n) - 1)

    def open_stream(self, stream: int) -> None:
        """Make room for stream number `stream`, which starts calm."""
        self.ensure_capacity(stream + 1)
        self.reset(stream)

    def check(self, state: object, count: int) -> None:
        """See whether a state holds what is known of `count` streams; raises StateError if it does not."""
        super().check(state, count)
        in_range(part_of(state, "phase"), min(Phase), max(Phase))
        in_range(part_of(state, "calm_run"), 0, LARGEST)

    def decide(
        self,
        stream: Ints,
        score: NDArray[np.float32],
        trusted: NDArray[np.bool_],
        held: NDArray[np.bool_] | None = None,
    ) -> Verdicts:
        """Judge B windows in order.

        stream: int64 [B]. score: float32 [B]. trusted: bool [B]. A score that is not finite is withheld whatever
        `trusted` says. held: bool [B], windows that get their verdict and bring their stream into no other phase; None:
        there are none.
        """
        judged = trusted & np.isfinite(score)
        with np.errstate(invalid="ignore"):
            verdict = np.where(judged, score > 1.0, Verdict.WITHHELD).astype(np.int8)
        # most streams are calm and stay so: only the others are walked through
        awake = self.phase != Phase.CALM
        awake[stream[verdict == Verdict.ANOMALOUS]] = True
        transitions: list[tuple[int, Phase, Phase]] = []
        moves = judged & awake[stream]
        rows = np.flatnonzero(moves if held is None else moves & ~held)
        for part in _one_per_stream(rows, stream) if len(rows) else ():
            transitions += self._advance(part, stream, score)
        return Verdicts(verdict, tuple(sorted(transitions)))

    def _advance(self, rows: Ints, stream: Ints, score: NDArray[np.float32]) -> list[tuple[int, Phase, Phase]]:
        settings, who, value = self.settings, stream[rows], score[rows]
        history = ((self._history[who] << np.uint64(1)) | (value > 1.0).astype(np.uint64)) & self._mask
        count = np.bitwise_count(history)
        calm_run = np.where(value < settings.release_score, self._calm_run[who] + 1, 0)
        before = self.phase[who]
        after = before.copy()
        after[(before == Phase.CALM) & (count > 0)] = Phase.PENDING
        after[(before == Phase.PENDING) & (count == 0)] = Phase.CALM
        after[(after == Phase.PENDING) & (count >= settings.k)] = Phase.FIRING
        released = (before == Phase.FIRING) & (calm_run >= settings.release_windows)
        after[released] = Phase.CALM
        history[released] = 0
        self._history[who], self._calm_run[who], self.phase[who] = history, calm_run, after
        return [
            (int(rows[at]), Phase(int(before[at])), Phase(int(after[at]))) for at in np.flatnonzero(before != after)
        ]


def _one_per_stream(rows: Ints, stream: Ints) -> list[Ints]:
    """Split windows into parts of one per stream at most, each stream's in order: each depends on the one before."""
    rows = rows[np.argsort(stream[rows], kind="stable")]
    starts = np.flatnonzero(np.diff(stream[rows], prepend=-1))
    nth = np.arange(len(rows)) - np.repeat(starts, np.diff(starts, append=len(rows)))
    by_nth = np.argsort(nth, kind="stable")
    return np.split(rows[by_nth], np.flatnonzero(np.diff(nth[by_nth])) + 1)
