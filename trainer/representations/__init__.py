"""Representations: what the model sees of a window. `trainer.registry` lists them.

They are computed inside the exported module, so that trainer and daemon cannot differ.
"""

import numpy as np
import torch
from torch import Tensor

from monitor.core.artifact.normalization_spec import NormalizationSpec
from trainer.data.normalization import FLOOR_FRACTION
from trainer.data.windows import Windows, batches_of, normalize
from trainer.registry import REPRESENTATIONS
from trainer.representations.choice import suitable_representation
from trainer.representations.representation import Representation
from trainer.representations.standardized import Standardized
from trainer.settings import RepresentationSettings


def fit_representation(
    settings: RepresentationSettings | None,
    normalization: NormalizationSpec,
    train: Windows,
    sample_period_seconds: float,
) -> tuple[Representation, RepresentationSettings]:
    """Make the representation that `settings` name (None: one that suits), standardized by the training windows.

    Returns the representation, and its settings completed by what the windows decided.

    Raises:
        SettingsError: the settings do not suit the windows' length or sample rate.

    """
    _, channels, length = train.values.shape
    settings = settings or suitable_representation(train, sample_period_seconds)
    # only where each window is normalized by its own numbers has it lost its level (see Level)
    own = normalization.kind == "window"
    units = np.asarray(normalization.scale_floor) / FLOOR_FRACTION if own else None
    kind = REPRESENTATIONS[settings.kind]
    features, settings = kind.build(settings, (channels, length), sample_period_seconds, units)
    if features.scaled == features.shape[1]:  # all of them are in units of the normalization
        return features, settings
    standardized = Standardized(features)
    standardized.fit(train)
    return standardized, settings


@torch.inference_mode()
def features_of(representation: Representation, windows: Windows) -> Tensor:
    """Features [N, C, F] or [N, C, H, W] of windows."""
    pieces = [
        representation(normalize(values, centre, scale), centre, scale) for values, centre, scale in batches_of(windows)
    ]
    return torch.cat(pieces) if pieces else torch.zeros((0, *representation.shape))
