"""Recall of injected faults: how many of the faults that are put into normal windows a model finds.

The same faults, of the same sizes in the units of the sensors, go into the normal windows that a refit held out and
into those that its anchor held out. Each model is asked about windows that are normal for it. So a refit whose
threshold rose with a fault that it learnt finds less, and one that only followed a season does not.
"""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.data.cutting import FileWindows
from trainer.data.windows import Windows
from trainer.refit.stream_judge import StreamJudge
from trainer.selection.renormalizing import renormalized
from trainer.selection.synthetic import FAULTS, inject

MOST_WINDOWS = 1000  # of all streams together: with all kinds the recall is then known to a hundredth
LEAST_WINDOWS = 50  # fewer tell nothing
STRETCHES = 10
ENOUGH_STREAMS = 5


@dataclass(frozen=True, slots=True)
class Recall:
    """Which injected faults a model found. of_streams: by stream, bool [kinds, N], kinds as in `FAULTS`."""

    of_streams: dict[str, NDArray[np.bool_]]

    @property
    def windows(self) -> int:
        """How many windows the faults were put into."""
        return sum(found.shape[1] for found in self.of_streams.values())

    def of(self, streams: Iterable[str]) -> "Recall":
        """The same of some streams alone."""
        return Recall({stream: self.of_streams[stream] for stream in streams})

    def by_window(self, kinds: Sequence[str]) -> NDArray[np.float64]:
        """Which share of the faults of these kinds is found in each window [N], grouped by stream."""
        rows = [FAULTS.index(kind) for kind in kinds]
        shares = [found[rows].mean(axis=0) for found in self.of_streams.values()]
        return np.concatenate(shares) if shares else np.zeros(0)


@dataclass(frozen=True, slots=True)
class RecallDifference:
    """What two models find of the same kinds of faults. error: the standard error of the difference of both shares."""

    candidate: float
    anchor: float
    error: float
    windows: int

    @classmethod
    def between(cls, candidate: Recall, anchor: Recall, kinds: Sequence[str]) -> "RecallDifference":
        """Compare them, over the streams that both know where there are any.

        From `ENOUGH_STREAMS` streams on their differences tell the error, since streams differ much in what can be
        found in them; else stretches of windows do, each counted as one observation: neighbours tell nearly the same.
        """
        both = sorted(candidate.of_streams.keys() & anchor.of_streams.keys())
        if both:
            candidate, anchor = candidate.of(both), anchor.of(both)
        ours, theirs = candidate.by_window(kinds), anchor.by_window(kinds)
        windows = min(len(ours), len(theirs))
        if windows < LEAST_WINDOWS:
            return cls(0.0, 0.0, np.inf, windows)
        if len(both) >= ENOUGH_STREAMS:
            each = [
                candidate.of([one]).by_window(kinds).mean() - anchor.of([one]).by_window(kinds).mean() for one in both
            ]
            error = float(np.std(each, ddof=1) / np.sqrt(len(each)))
        else:
            stretches = [[part.mean() for part in np.array_split(share, STRETCHES)] for share in (ours, theirs)]
            error = float(np.hypot(*np.std(stretches, ddof=1, axis=1)) / np.sqrt(STRETCHES))
        return cls(float(ours.mean()), float(theirs.mean()), error, windows)


def recall_of(
    judges: Mapping[str, StreamJudge], pieces: Sequence[FileWindows], deviation: Mapping[str, NDArray[np.float64]]
) -> Recall:
    """Inject each kind of fault into windows of streams, and count what the model of each stream finds.

    A stream gets the same faults whatever model is asked, as far as it has as many windows.

    judges: by stream. pieces: normal windows of each stream, in the order of time. deviation: by stream, [C]
    standard deviations of its measured channels, in the units of the sensors.
    """
    each = max(1, MOST_WINDOWS // max(1, len(pieces)))
    found = {}
    for piece in pieces:
        stream = piece.file.content.name
        judge = judges[stream]
        windows = judge.normal_windows(piece)
        chosen = np.unique(np.linspace(0, len(windows) - 1, min(each, len(windows))).round().astype(np.int64))
        if len(windows):
            found[stream] = _found(judge, stream, windows[chosen], deviation[stream])
    return Recall(found)


def _found(judge: StreamJudge, stream: str, windows: Windows, deviation: NDArray[np.float64]) -> NDArray[np.bool_]:
    measured, seed = len(judge.manifest.measured_names), zlib.crc32(stream.encode())
    threshold = judge.manifest.threshold * judge.manifest.calibration.stream_factors.get(stream, 1.0)
    rows = []
    for kind in FAULTS:
        values = windows.values.copy()
        values[:, :measured] = inject(values[:, :measured], deviation[:measured], kind, seed)
        errors, _ = judge.artifact.scorer.errors(renormalized(values, windows, judge.manifest.normalization))
        rows.append(errors > threshold)
    return np.stack(rows)
