"""The day's cap: no day of a stream weighs much more than its others, however much the history kept of it."""

import math

import numpy as np
from numpy.typing import NDArray

from trainer.refit.selection import Selection

DAY_SECONDS = 86_400.0
MOST_MEDIANS = 2.0  # what a day may give, in windows of the stream's median day
_BLOCK_WINDOWS = 32  # go together: what is left of a day still shows how windows follow each other


def cap_days(selection: Selection, most_medians: float = MOST_MEDIANS) -> None:
    """Leave out, in blocks spread evenly over the day, what a day has beyond so many windows of the median day."""
    rows = np.flatnonzero(selection.taken)
    if not len(rows):
        return
    day = np.floor(selection.spans.end_seconds[rows] / DAY_SECONDS)
    _, first, counts = np.unique(day, return_index=True, return_counts=True)
    most = math.ceil(most_medians * float(np.median(counts)))
    beyond = np.zeros(len(selection.spans), np.bool_)
    for start, count in zip(first.tolist(), counts.tolist(), strict=True):
        if count > most:
            of_day = rows[start : start + count]
            beyond[of_day[~_spread(selection.spans.stretch[of_day], most)]] = True
    selection.leave_out(beyond, "day_cap")


def _spread(stretch: NDArray[np.int64], most: int) -> NDArray[np.bool_]:
    """Which of the windows [N] of a day stay: blocks of one stretch, evenly spread, at most about `most` windows."""
    opens = np.diff(stretch, prepend=stretch[:1] - 1) != 0
    place = np.arange(len(stretch)) - np.maximum.accumulate(np.where(opens, np.arange(len(stretch)), 0))
    block = np.cumsum(opens | (place % _BLOCK_WINDOWS == 0)) - 1
    blocks = int(block[-1]) + 1
    kept = np.linspace(0, blocks - 1, max(1, int(blocks * most / len(stretch)))).round()
    stays: NDArray[np.bool_] = np.isin(block, kept)
    return stays
