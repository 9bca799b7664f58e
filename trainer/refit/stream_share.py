"""What one stream gives a refit: few enough of its windows to hold those of all streams at once, each with its part."""

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trainer.data.cutting import FileWindows
from trainer.data.split import Part, split_by_time
from trainer.refit.selection import Exclusion, Reason, Selection, Taken
from trainer.refit.stream_history import StreamHistory
from trainer.settings import SplitSettings

# Why windows that are taken are not used: they straddle two parts, or are more than a fit takes.
_MAKES_ROOM = ("split_gap", "thinned")
_EXAMPLES = 2  # windows of each reason that the report may show
_WEEK_SECONDS = 7 * 86_400.0
_MOST_CALIBRATION = 0.45  # of what is taken of a stream


@dataclass(frozen=True, slots=True)
class Quota:
    """How many windows of one stream each part of a fit takes at most."""

    train: int
    validation: int
    calibration: int


@dataclass(frozen=True, slots=True)
class Example:
    """A window for the report. reason: why it is left out; empty if it is taken. values: float32 [C, L]."""

    stream: str
    reason: str
    end_seconds: float
    values: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class StreamShare:
    """What one stream gives.

    windows: N windows that are used. part: int8 [N], for what. taken, excluded: all that there was, in order of time.
    left_out: windows by reason, those that only make room among them. looked_at: all windows. brought_back: of those
    taken, which labels alone take in. new_seconds: event time of what is taken and newer than the model in use.
    """

    windows: FileWindows
    part: NDArray[np.int8]
    taken: tuple[Taken, ...]
    excluded: tuple[Exclusion, ...]
    left_out: dict[str, int]
    looked_at: int
    brought_back: int
    until_seconds: float
    new_windows: int
    examples: tuple[Example, ...]

    @property
    def name(self) -> str:
        """The stream's name."""
        return self.windows.file.name

    @property
    def taken_windows(self) -> int:
        """How many windows are taken, used or not."""
        return sum(piece.windows for piece in self.taken)

    def of_part(self, part: Part) -> int:
        """How many windows serve a part."""
        return int((self.part == part).sum())

    def without_any(self, reason: Reason) -> "StreamShare":
        """The same with all that was taken left out."""
        left_out = (
            Exclusion(self.name, each.from_seconds, each.to_seconds, reason, each.windows) for each in self.taken
        )
        excluded = sorted((*self.excluded, *left_out), key=lambda piece: piece.from_seconds)
        counts = {name: count for name, count in self.left_out.items() if name not in _MAKES_ROOM}
        return replace(
            self,
            windows=rows_of(self.windows, np.zeros(len(self.part), np.bool_)),
            part=self.part[:0],
            taken=(),
            excluded=tuple(excluded),
            left_out=counts | {reason: self.taken_windows},
            brought_back=0,
            new_windows=0,
        )


def share_of(
    history: StreamHistory,
    selection: Selection,
    split: SplitSettings,
    quota: Quota,
    gap_seconds: float,
    since_seconds: float,
) -> StreamShare:
    """Split what is taken of a stream by time, its newest part calibrates, and thin each part to its quota.

    What trains and validates is thinned evenly; of what calibrates the newest windows stay, since alerts are made of
    windows in a row. gap_seconds: between parts. since_seconds: up to where the model in use has seen the stream.
    """
    spans, taken = selection.spans, selection.taken
    split = with_a_week(split, spans.end_seconds[taken])
    part = split_by_time(spans.start_seconds, spans.end_seconds, taken, gap_seconds, split)
    used = np.zeros(len(spans), np.bool_)
    for each, most in ((Part.TRAIN, quota.train), (Part.VALIDATION, quota.validation)):
        used[evenly(np.flatnonzero(part == each), most)] = True
    used[np.flatnonzero(part == Part.CALIBRATION)[-quota.calibration :]] = True
    reasons = np.where(taken & (part == Part.GAP), "split_gap", selection.reason.astype("<U16"))
    reasons[taken & (part != Part.GAP) & ~used] = "thinned"
    pieces_taken, pieces_excluded = selection.pieces()
    return StreamShare(
        windows=rows_of(history.cut, used),
        part=part[used],
        taken=tuple(pieces_taken),
        excluded=tuple(pieces_excluded),
        left_out=dict(Counter(reasons[reasons != ""].tolist())),
        looked_at=len(spans),
        brought_back=int(selection.brought_back.sum()),
        until_seconds=float(spans.end_seconds[taken].max(initial=-np.inf)),
        new_windows=int((taken & (spans.end_seconds > since_seconds)).sum()),
        examples=tuple(_examples(history, selection)),
    )


def with_a_week(split: SplitSettings, end_seconds: NDArray[np.float64]) -> SplitSettings:
    """The split by which the last week calibrates, or nearly half of what there is where that is less.

    end_seconds: float64 [N], of what is taken. Machines keep working weeks. A threshold from the last days of one,
    which often are its weekend, would call all that comes with Monday anomalous.
    """
    if not len(end_seconds):
        return split
    week = float(np.mean(end_seconds > end_seconds.max() - _WEEK_SECONDS))
    return split.model_copy(update={"calibration": max(split.calibration, min(week, _MOST_CALIBRATION))})


def evenly(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most so many of some numbers, spread evenly over them: int64 [K]. rows: int64 [N]."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).round().astype(np.int64)] if most > 0 else rows[:0]


def rows_of(cut: FileWindows, chosen: NDArray[np.bool_]) -> FileWindows:
    """Some windows of a file. chosen: bool [N]."""
    return FileWindows(
        cut.file,
        cut.batch.select(chosen),
        cut.start_seconds[chosen],
        None if cut.labels is None else cut.labels[chosen],
    )


def _examples(history: StreamHistory, selection: Selection) -> list[Example]:
    batch = history.cut.batch
    return [
        Example(history.name, reason, float(batch.end_seconds[at]), batch.values[at].copy())
        for reason in np.unique(selection.reason).tolist()
        for at in evenly(np.flatnonzero(selection.reason == reason), _EXAMPLES).tolist()
    ]
