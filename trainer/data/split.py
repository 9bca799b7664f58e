"""Which windows train, validate and calibrate: by time, within each recording, without a shared sample.

Shuffling would put overlapping windows on both sides and make every figure too good. Where there are enough windows,
the last part of each recording calibrates. Where they are few, every part does in its turn (`folds_of`).
"""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from trainer.settings import SplitSettings

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


class Part(IntEnum):
    """What a window serves for. GAP: left out, because it straddles a boundary or comes too close behind it."""

    TRAIN = 0
    VALIDATION = 1
    CALIBRATION = 2
    GAP = 3
    UNUSED = 4


def split_by_time(
    start_seconds: Floats, end_seconds: Floats, usable: Bools, gap_seconds: float, settings: SplitSettings
) -> NDArray[np.int8]:
    """Give each window of one recording its `Part`: int8 [N].

    start_seconds, end_seconds: float64 [N], of its first and last sample. usable: bool [N].

    The boundaries follow from the number of usable windows. Every window of a later part starts more than
    `gap_seconds` after the last sample of the part before it; so with `gap_seconds >= 0` no sample is in two parts.
    """
    parts = np.full(len(usable), Part.UNUSED, dtype=np.int8)
    ends = np.sort(end_seconds[usable])
    if not len(ends):
        return parts
    train_count = max(1, round(len(ends) * (1 - settings.validation - settings.calibration)))
    held_in_count = max(train_count, round(len(ends) * (1 - settings.calibration)))
    train_end, validation_end = ends[train_count - 1], ends[held_in_count - 1]
    parts[usable] = Part.GAP
    parts[usable & (end_seconds <= train_end)] = Part.TRAIN
    parts[usable & (start_seconds > train_end + gap_seconds) & (end_seconds <= validation_end)] = Part.VALIDATION
    parts[usable & (start_seconds > validation_end + gap_seconds)] = Part.CALIBRATION
    return parts


def folds_of(usable: list[Bools], settings: SplitSettings) -> list[list[Bools]]:
    """Tell which windows each fold holds out: for each fold, a mask [N] per recording.

    usable: of each recording, bool [N].

    As many folds as calibration parts make a whole. By time: of each recording its first part, its second one and so
    on. By recording: whole recordings, those of a fold spread over the list. Each usable window is held out once.
    """
    count = round(1 / settings.calibration)
    if settings.by == "recording":
        count = min(count, len(usable))
        return [[mask & (number % count == fold) for number, mask in enumerate(usable)] for fold in range(count)]
    ranks = [np.cumsum(mask) - 1 for mask in usable]
    return [
        [mask & (rank * count // max(1, int(mask.sum())) == fold) for mask, rank in zip(usable, ranks, strict=True)]
        for fold in range(count)
    ]


def split_around(
    start_seconds: Floats,
    end_seconds: Floats,
    usable: Bools,
    held_out: Bools,
    gap_seconds: float,
    settings: SplitSettings,
) -> NDArray[np.int8]:
    """Give each window of one recording, in time order, its `Part`, where those held out calibrate: int8 [N].

    start_seconds, end_seconds: float64 [N], of its first and last sample. usable: bool [N]. held_out: bool [N].

    They are one stretch of time, or none. What lies more than `gap_seconds` before or behind it trains, but for the
    last part of that, which validates: a model is stopped by what is later than all it learnt from, as it will be used.
    """
    parts = np.full(len(usable), Part.UNUSED, dtype=np.int8)
    parts[usable] = Part.GAP
    rest = usable & ~_near(start_seconds, end_seconds, held_out, gap_seconds)
    rank, count = np.cumsum(rest) - 1, int(rest.sum())
    validating = rest & (rank >= count - round(settings.validation * count))
    parts[rest & ~_near(start_seconds, end_seconds, validating, gap_seconds)] = Part.TRAIN
    parts[validating] = Part.VALIDATION
    parts[held_out] = Part.CALIBRATION
    return parts


def _near(start_seconds: Floats, end_seconds: Floats, stretch: Bools, gap_seconds: float) -> Bools:
    """Which windows [N] share time with those of `stretch` [N] or lie at most `gap_seconds` from it."""
    if not stretch.any():
        return np.zeros(len(stretch), np.bool_)
    first, last = start_seconds[stretch].min(), end_seconds[stretch].max()
    near: Bools = (end_seconds >= first - gap_seconds) & (start_seconds <= last + gap_seconds)
    return near
