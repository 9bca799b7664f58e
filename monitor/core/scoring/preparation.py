"""Preparation: windows become ready to score. Their quality is assessed, what cannot be trusted is masked."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from monitor.core.artifact.manifest import WindowSpec
from monitor.core.scoring.channel_limits import ChannelLimits
from monitor.core.scoring.masking import Bools, Masking
from monitor.core.scoring.normalize import Normalizer
from monitor.core.scoring.quality import CODES, Quality, assess_channels, is_trusted, may_teach
from monitor.core.values.scorer import Floats32
from monitor.core.windows.stream_windows import WindowBatch


@dataclass(frozen=True, slots=True)
class PreparedBatch:
    """A batch ready to score.

    centre, scale: float32 [B, C]; quality: int8 [B]; judged: bool [B], the windows worth scoring. faulty: bool [B, C],
    the channels that cannot be trusted, None where all can; masked: those of them that windows are judged without, and
    that were replaced in `windows`.
    """

    windows: WindowBatch
    centre: Floats32
    scale: Floats32
    quality: NDArray[np.int8]
    judged: NDArray[np.bool_]
    faulty: Bools | None = None
    masked: Bools | None = None


def prepare_windows(
    windows: WindowBatch,
    quality: NDArray[np.int8],
    window: WindowSpec,
    limits: ChannelLimits,
    masking: Masking,
    normalizer: Normalizer,
) -> PreparedBatch:
    """Assess channels, find centre and scale, and replace the channels that windows are judged without.

    quality: int8 [B], what concerns windows as a whole.
    """
    of_channels = assess_channels(windows, window, limits)
    if not of_channels.any():
        centre, scale, ready = normalizer.parameters(windows, may_teach(quality))
        _tell_unlike(quality, windows.stream, ready, normalizer)
        return PreparedBatch(windows, centre, scale, quality, is_trusted(quality) & ready)
    faulty = of_channels > 0
    can = masking.can_judge(faulty) & is_trusted(quality)
    quality = np.maximum(quality, of_channels.max(axis=1))
    centre, scale, ready = normalizer.parameters(windows, may_teach(quality))
    can &= ready
    masked = None
    if can.any():
        masked = faulty & can[:, None]
        quality[can] = CODES[Quality.MASKED]
        values, centre, scale = masking.put(windows.values, centre, scale, masked)
        windows = replace(windows, values=values)
    _tell_unlike(quality, windows.stream, ready, normalizer)
    return PreparedBatch(windows, centre, scale, quality, is_trusted(quality) & ready, faulty, masked)


def _tell_unlike(quality: NDArray[np.int8], stream: NDArray[np.int64], ready: Bools, normalizer: Normalizer) -> None:
    """Say of windows, where nothing is worse, that their stream is judged by the training data's numbers.

    quality: int8 [B], changed in place. stream: int64 [B]. ready: bool [B].
    """
    if normalizer.any_unlike:
        unlike = normalizer.unlike[stream] & ready
        np.maximum(quality, unlike * np.int8(CODES[Quality.UNLIKE_TRAINING]), out=quality)
