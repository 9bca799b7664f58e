"""Representations: what the model sees of a window. A new one is a settings class, a `Representation`, and a case here.

They are computed inside the exported module, so that trainer and daemon cannot differ.
"""

import numpy as np
import torch
from torch import Tensor

from monitor.core.artifact.manifest import NormalizationSpec
from trainer.data.normalization import FLOOR_FRACTION
from trainer.data.windows import Windows, batches_of, normalize
from trainer.errors import SettingsError
from trainer.representations.choice import suitable_representation
from trainer.representations.envelope_spectrum import EnvelopeSpectrum
from trainer.representations.raw import Raw, RawWithLevel
from trainer.representations.representation import Representation
from trainer.representations.spectrogram import Spectrogram
from trainer.representations.spectrum import Spectrum
from trainer.representations.standardized import Standardized
from trainer.settings import EnvelopeSpectrumSettings, RawSettings, RepresentationSettings, SpectrumSettings


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
    if isinstance(settings, RawSettings):
        if not settings.level:
            return Raw(channels, length), settings
        features: Representation = RawWithLevel(channels, length, units)
    else:
        segment = settings.segment_samples or settings.default_segment(length)
        if segment > length:
            raise SettingsError(
                "representation", [f"segment_samples: {segment} samples are longer than the window of {length}"]
            )
        settings = settings.model_copy(update={"segment_samples": segment})
        if isinstance(settings, EnvelopeSpectrumSettings):
            band = _band(settings, sample_period_seconds)
            features = EnvelopeSpectrum(channels, length, segment, band, units)
        elif isinstance(settings, SpectrumSettings):
            features = Spectrum(channels, segment, units)
        else:
            features = Spectrogram(channels, length, segment, units)
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


def _band(settings: EnvelopeSpectrumSettings, sample_period_seconds: float) -> tuple[float, float] | None:
    """The band in cycles per sample."""
    if settings.band_hz is None:
        return None
    low, high = settings.band_hz
    if high * sample_period_seconds > 0.5:
        limit = 0.5 / sample_period_seconds
        raise SettingsError("representation", [f"band_hz: {high:g} Hz is above half the sample rate, {limit:g} Hz"])
    return low * sample_period_seconds, high * sample_period_seconds
