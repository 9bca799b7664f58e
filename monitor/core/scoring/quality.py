"""Quality: whether a window can be trusted at all.

A window that cannot is withheld: it is neither normal nor anomalous. Some qualities concern the window as a whole;
others are found channel by channel, and `masking.py` may judge the window without the channels concerned, which makes
it `masked`. `silent`, `refused` and `incomplete` are about streams without windows, `wrong_rate` is about how they
came; `model_group.py` finds these.
"""

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from monitor.core.artifact.manifest import WindowSpec
from monitor.core.scoring.channel_limits import ChannelLimits
from monitor.core.windows.stream_windows import WindowBatch


class Quality(StrEnum):
    """What may be wrong with a window; `GOOD` if nothing is. The order is the precedence, worst last."""

    GOOD = "good"
    CLOCK_SKEW = "clock_skew"  # it arrived long after its own time; its values are fine, so it is judged all the same
    NO_BEAT = "no_beat"  # no heartbeat for the longest RR interval; that is what there is to judge
    UNLIKE_TRAINING = "unlike_training"  # the stream's centre or scale is like none in training, whose numbers it gets
    MASKED = "masked"  # judged without channels that cannot be trusted, for one of the next four reasons
    STUCK = "stuck"  # a channel repeats one value, which its normal data never did
    OUT_OF_RANGE = "out_of_range"  # a channel is beyond what its sensor can physically deliver
    LOW_COVERAGE = "low_coverage"  # too many samples of a channel are missing
    NON_FINITE = "non_finite"  # NaN, infinity or what no sensor delivers (1e30) in a channel
    WRONG_RATE = "wrong_rate"  # its samples come at another rate than the model's
    INCOMPLETE = "incomplete"  # samples come, and never a window: the channels do not fit together, or there are gaps
    SILENT = "silent"  # nothing came for a while, on one channel at least
    REFUSED = "refused"  # what comes, on one channel at least, is refused throughout


QUALITIES = tuple(Quality)
CODES = {quality: code for code, quality in enumerate(QUALITIES)}
_JUDGED = {Quality.GOOD, Quality.CLOCK_SKEW, Quality.NO_BEAT, Quality.UNLIKE_TRAINING, Quality.MASKED}
_TRUSTED = np.array([quality in _JUDGED for quality in QUALITIES])
_NORMAL = np.array([quality in {Quality.GOOD, Quality.CLOCK_SKEW} for quality in QUALITIES])


def is_trusted(quality: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Whether windows of these qualities may be judged: bool [B]. quality: int8 [B], numbers of `QUALITIES`."""
    return _TRUSTED[quality]


def may_teach(quality: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Whether what is normal may be learnt from windows of these qualities: bool [B].

    quality: int8 [B], numbers of `QUALITIES`.
    """
    return _NORMAL[quality]


def assess(batch: WindowBatch, window: WindowSpec, limits: ChannelLimits, max_skew_seconds: float) -> NDArray[np.int8]:
    """The quality of each window where no channel is masked: int8 [B], an index into `QUALITIES`.

    max_skew_seconds: a window whose last sample is older than that when it arrives is `clock_skew`.
    """
    worst: NDArray[np.int8] = assess_channels(batch, window, limits).max(axis=1)
    return np.maximum(assess_windows(batch, window, max_skew_seconds), worst)


def assess_windows(batch: WindowBatch, window: WindowSpec, max_skew_seconds: float) -> NDArray[np.int8]:
    """What concerns windows as a whole: int8 [B], an index into `QUALITIES`. max_skew_seconds: as in `assess`."""
    quality = (batch.arrival_seconds - batch.end_seconds > max_skew_seconds) * np.int8(CODES[Quality.CLOCK_SKEW])
    if window.beat is not None:  # `rr` is the last channel but one, and the same all along the window
        paused = batch.values[:, -2, 0] > window.beat.max_rr_seconds
        np.maximum(quality, paused * np.int8(CODES[Quality.NO_BEAT]), out=quality)
    return quality


def assess_channels(batch: WindowBatch, window: WindowSpec, limits: ChannelLimits) -> NDArray[np.int8]:
    """What keeps each channel of a window from being trusted: int8 [B, C], an index into `QUALITIES`, 0 if nothing."""
    low, high = batch.values.min(axis=2), batch.values.max(axis=2)  # [B, C]; NaN where a sample is NaN
    found = np.zeros(low.shape, np.int8)
    for quality, channels in (
        (Quality.STUCK, (low == high) & limits.must_move),
        (Quality.OUT_OF_RANGE, (low < limits.lowest) | (high > limits.highest)),
        (Quality.LOW_COVERAGE, batch.coverage < window.min_coverage),
        (Quality.NON_FINITE, ~(low >= -limits.largest) | ~(high <= limits.largest)),  # NaN is neither
    ):
        found[channels] = CODES[quality]
    return found
