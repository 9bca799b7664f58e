"""The trained spread: between which bounds centre and scale of further healthy streams lie, from the training windows.

Each stream's training windows are learnt from in stretches, each as long as a warm-up, by the very code that the daemon
learns with. What was seen is within the bounds. Beyond it a centre may lie CENTRE_DEVIATIONS standard deviations of the
training data, or CENTRE_PART of its own size where that is more; a scale may be SCALE_FACTOR times as large or small.
From ENOUGH_STREAMS streams on their differences say more: then the bounds are no wider than Student's prediction
interval for one more stream (of the logarithm, for scales), whose variance is that between streams and that between the
stretches of one. All of these together leave out one healthy stream in a hundred, as far as numbers are Gaussian.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from monitor.core.artifact.normalization_spec import NormalizationSpec
from monitor.core.artifact.trained_spread import TrainedSpread
from monitor.core.scoring.normalize import Normalizer
from monitor.core.windows.window_batch import WindowBatch

ENOUGH_STREAMS = 5
LEFT_OUT = 0.01  # of healthy streams, by all bounds together
CENTRE_DEVIATIONS = 5.0
CENTRE_PART = 0.5
SCALE_FACTOR = 2.0

Floats = NDArray[np.float64]


def trained_spread(streams: list[NDArray[np.float32]], spec: NormalizationSpec) -> TrainedSpread:
    """The spread of streams, each with its training windows in order.

    streams: of each stream float32 [N, C, L], all finite; at least one has windows. spec: by which streams learn.
    """
    learnt = [_learnt(windows, spec) for windows in streams if len(windows)]
    centre = np.median([np.median(centres, axis=0) for centres, _ in learnt], axis=0)  # [C, K]
    scale = np.median([np.median(scales, axis=0) for _, scales in learnt], axis=0)  # [C]
    levels = [centres.mean(axis=2) for centres, _ in learnt]  # of each stream [stretches, C]
    logs = [np.log(scales) for _, scales in learnt]
    deviation = np.concatenate([windows for windows in streams if len(windows)]).std(axis=(0, 2), dtype=np.float64)
    seen = np.concatenate(levels)
    room = np.maximum(CENTRE_DEVIATIONS * np.maximum(deviation, spec.scale_floor), CENTRE_PART * abs(seen).max(axis=0))
    level_low, level_high = _bounds(levels, room)
    log_low, log_high = _bounds(logs, np.full(len(scale), np.log(SCALE_FACTOR)))
    return TrainedSpread(
        streams=len(learnt),
        centre=tuple(tuple(samples) for samples in centre.tolist()),
        scale=tuple(scale.tolist()),
        centre_low=tuple(np.minimum(level_low, centre.mean(axis=1)).tolist()),
        centre_high=tuple(np.maximum(level_high, centre.mean(axis=1)).tolist()),
        scale_low=tuple(np.minimum(np.exp(log_low), scale).tolist()),
        scale_high=tuple(np.maximum(np.exp(log_high), scale).tolist()),
    )


def _learnt(windows: NDArray[np.float32], spec: NormalizationSpec) -> tuple[Floats, Floats]:
    """What would be learnt of each stretch of a stream: centres [stretches, C, K] and scales [stretches, C].

    windows: float32 [N, C, L], N > 0. A stream that is shorter than a warm-up makes one stretch.
    """
    length = min(spec.warmup_windows, len(windows))
    spec = spec.model_copy(update={"warmup_windows": length, "trained": None})
    stretches = len(windows) // length
    normalizer = Normalizer(spec, *windows.shape[1:])
    batch = _batch_of(windows[: stretches * length], np.repeat(np.arange(stretches), length))
    normalizer.parameters(batch, np.ones(len(batch), np.bool_))
    learnt = [normalizer.learnt(stretch) for stretch in range(stretches)]
    return (
        np.array([each.centre for each in learnt if each is not None], np.float64),
        np.array([each.scale for each in learnt if each is not None], np.float64),
    )


def _bounds(values: list[Floats], room: Floats) -> tuple[Floats, Floats]:
    """Where the number of one more stream lies: low [C] and high [C].

    values: of each stream [stretches, C]. room: float64 [C], how far beyond what was seen it may lie at most.
    """
    seen = np.concatenate(values)
    low, high = seen.min(axis=0), seen.max(axis=0)
    typical = np.array([np.median(each, axis=0) for each in values])  # [S, C]
    count, channels = typical.shape
    if count < ENOUGH_STREAMS:
        return low - room, high + room
    around = np.concatenate([each - middle for each, middle in zip(values, typical, strict=True)])
    deviation = np.hypot(typical.std(axis=0, ddof=1), around.std(axis=0))
    # two bounds for centre and scale of each channel share what may be left out
    quantile = student.ppf(1 - LEFT_OUT / (4 * channels), count - 1)
    half, middle = quantile * deviation * np.sqrt(1 + 1 / count), typical.mean(axis=0)
    low_bound, high_bound = np.maximum(middle - half, low - room), np.minimum(middle + half, high + room)
    return np.minimum(low, low_bound), np.maximum(high, high_bound)


def _batch_of(windows: NDArray[np.float32], stream: NDArray[np.int64]) -> WindowBatch:
    times = np.zeros(len(windows))
    return WindowBatch(stream, times, times, np.ones(len(windows), np.float32), windows)
