"""Which windows train, validate and calibrate: by time, within each recording, without a shared sample.

Shuffling would put overlapping windows on both sides and make every figure too good.
"""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from trainer.settings import SplitSettings


class Part(IntEnum):
    """What a window serves for. GAP: left out, because it straddles a boundary or comes too close behind it."""

    TRAIN = 0
    VALIDATION = 1
    CALIBRATION = 2
    GAP = 3
    UNUSED = 4


def split_by_time(
    start_seconds: NDArray[np.float64],
    end_seconds: NDArray[np.float64],
    usable: NDArray[np.bool_],
    gap_seconds: float,
    settings: SplitSettings,
) -> NDArray[np.int8]:
    """Give each window [N] of one recording its `Part`, int8 [N].

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
