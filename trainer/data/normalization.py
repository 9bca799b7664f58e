"""The numbers that normalization needs, from the training windows and from nothing else."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import median_abs_deviation

from monitor.core.artifact.manifest import ChannelSpec
from monitor.core.artifact.normalization_spec import NormalizationSpec
from trainer.settings import NormalizationSettings

# A window or stream that moves less than this fraction of the training data's standard deviation is taken as still:
# dividing by its own tiny deviation would turn sensor noise into an anomaly.
FLOOR_FRACTION = 0.05

# A channel that never moves in training has no scale of its own. One percent of its level (or one unit, at level 0)
# makes a later move visible without making it infinite.
CONSTANT_FRACTION = 0.01


# What a heart's rhythm varies by without anything being wrong, in the units of the derived channels: the rate through a
# day, and breathing from beat to beat. Below that no stream's own numbers make it more sensitive.
RHYTHM_FLOOR = {"rr": 0.25, "rr_change": 0.05}


def normalization_spec(
    windows: NDArray[np.float32], settings: NormalizationSettings, derived: tuple[ChannelSpec, ...] = ()
) -> NormalizationSpec:
    """Centre, scale and scale floor per channel from training windows; the last channels are `derived`.

    windows: float32 [N, C, L], all finite.
    """
    values = windows.astype(np.float64)
    centre = values.mean(axis=(0, 2))  # [C]
    deviation = values.std(axis=(0, 2))
    if settings.shared:  # the rows of an image: where hardly anything ever is, little is not much
        measured = values[:, : values.shape[1] - len(derived)]
        centre[: measured.shape[1]], deviation[: measured.shape[1]] = measured.mean(), measured.std()
    # float32 keeps about seven digits: what varies less than that around its level is constant
    constant = deviation <= 1e-6 * np.abs(centre)
    level = np.where(centre == 0, 1.0, CONSTANT_FRACTION * np.abs(centre))
    floor = np.where(constant, level, FLOOR_FRACTION * deviation)
    if derived:  # robustly, as a stream's own numbers are: ectopic beats are many in some patients
        rhythm = values[:, -len(derived) :, 0]
        centre[-len(derived) :] = np.median(rhythm, axis=0)
        deviation[-len(derived) :] = median_abs_deviation(rhythm, axis=0, scale="normal")
        floor[-len(derived) :] = [RHYTHM_FLOOR[channel.name] for channel in derived]
    fixed = settings.kind == "fixed"
    return NormalizationSpec(
        kind=settings.kind,
        centre=tuple(centre.tolist()) if fixed else None,
        scale=tuple(np.maximum(deviation, floor).tolist()) if fixed else None,
        scale_floor=tuple(floor.tolist()),
        warmup_windows=settings.warmup_windows,
    )
