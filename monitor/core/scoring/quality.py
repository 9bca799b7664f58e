"""Quality: whether a window can be trusted at all.

A window that cannot is withheld: it is neither normal nor anomalous. `silent` and `refused` are about streams without
windows, `wrong_rate` is about how they came; `model_group.py` finds these.
"""

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from monitor.core.artifact.manifest import ChannelSpec, WindowSpec
from monitor.core.values.float32 import to_float32
from monitor.core.windows.stream_windows import WindowBatch


class Quality(StrEnum):
    """What may be wrong with a window; `GOOD` if nothing is. The order is the precedence, worst last."""

    GOOD = "good"
    CLOCK_SKEW = "clock_skew"  # it arrived long after its own time; its values are fine, so it is judged all the same
    NO_BEAT = "no_beat"  # no heartbeat for the longest RR interval; that is what there is to judge
    STUCK = "stuck"  # a channel repeats one value, which its normal data never did
    OUT_OF_RANGE = "out_of_range"  # beyond what the sensor can physically deliver
    LOW_COVERAGE = "low_coverage"  # too many samples missing
    NON_FINITE = "non_finite"  # NaN or infinity among the samples
    WRONG_RATE = "wrong_rate"  # its samples come at another rate than the model's
    SILENT = "silent"  # nothing came for a while, on one channel at least
    REFUSED = "refused"  # what comes, on one channel at least, is refused throughout


QUALITIES = tuple(Quality)
CODES = {quality: code for code, quality in enumerate(QUALITIES)}
_TRUSTED = np.array([quality in {Quality.GOOD, Quality.CLOCK_SKEW, Quality.NO_BEAT} for quality in QUALITIES])
_NORMAL = np.array([quality in {Quality.GOOD, Quality.CLOCK_SKEW} for quality in QUALITIES])


def is_trusted(quality: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Whether windows of these qualities may be judged: bool [B]. quality: int8 [B], numbers of `QUALITIES`."""
    return _TRUSTED[quality]


def may_teach(quality: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Whether what is normal may be learnt from windows of these qualities: bool [B].

    quality: int8 [B], numbers of `QUALITIES`.
    """
    return _NORMAL[quality]


def assess(
    batch: WindowBatch, window: WindowSpec, channels: tuple[ChannelSpec, ...], max_skew_seconds: float
) -> NDArray[np.int8]:
    """The quality of each window: int8 [B], an index into `QUALITIES`.

    max_skew_seconds: a window whose last sample is older than that when it arrives is `clock_skew`.
    """
    quality = np.zeros(len(batch), np.int8)

    def mark(windows: NDArray[np.bool_], found: Quality) -> None:
        np.maximum(quality, windows * np.int8(CODES[found]), out=quality)

    low, high = batch.values.min(axis=2), batch.values.max(axis=2)  # [B, C]; NaN where a sample is NaN
    with np.errstate(invalid="ignore"):
        mark(batch.arrival_seconds - batch.end_seconds > max_skew_seconds, Quality.CLOCK_SKEW)
        if window.beat is not None:  # `rr` is the last channel but one
            mark(low[:, -2] > window.beat.max_rr_seconds, Quality.NO_BEAT)
        mark(((low == high) & np.array([not spec.may_rest for spec in channels])).any(axis=1), Quality.STUCK)
        # in float32 as the samples are, or a sensor that reads exactly its limit may seem beyond it
        lowest = to_float32(np.array([-np.inf if spec.low is None else spec.low for spec in channels]))
        highest = to_float32(np.array([np.inf if spec.high is None else spec.high for spec in channels]))
        mark(((low < lowest) | (high > highest)).any(axis=1), Quality.OUT_OF_RANGE)
    mark(batch.coverage < window.min_coverage, Quality.LOW_COVERAGE)
    mark(~np.isfinite(low).all(axis=1) | ~np.isfinite(high).all(axis=1), Quality.NON_FINITE)
    return quality
