"""Envelope spectrum: log power of the envelope, which shows how often something rings rather than how it rings.

A damaged rolling bearing strikes its housing at each passage of a ball. Each blow rings at a high frequency that says
little; the blows' rate, far below, says which part is damaged (McFadden & Stronge 1984; Randall & Antoni, "Rolling
element bearing diagnostics: a tutorial", 2011).
"""

from typing import Final

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from trainer.errors import SettingsError
from trainer.representations.level import LEVEL_FEATURES, Level
from trainer.representations.power import LogPower, stretches_of
from trainer.representations.representation import Representation
from trainer.representations.segments import with_segment
from trainer.settings.representation import EnvelopeSpectrumSettings


class EnvelopeSpectrum(Representation):
    """Features [B, C, n // 2 + 2], as of `Spectrum`, of the envelope; level and log spread are the signal's own.

    units: float [C] or None, as `Level` takes them.

    The envelope is the magnitude of the analytic signal, by the Fourier transform of the whole window as
    `scipy.signal.hilbert` does it. band: from where to where the blows ring, in cycles per sample (None: everywhere);
    other frequencies are taken out first.
    """

    segment_samples: Final[int]
    analytic: Tensor  # [L]

    def __init__(
        self,
        channels: int,
        length: int,
        segment_samples: int,
        band: tuple[float, float] | None,
        units: ArrayLike | None,
    ) -> None:
        lines = segment_samples // 2
        super().__init__((channels, lines + LEVEL_FEATURES), levels=lines, scaled=0)
        self.segment_samples = segment_samples
        self.power = LogPower(segment_samples)
        self.level = Level(units)
        self.register_buffer("analytic", _analytic_mask(length, band))

    def forward(self, x: Tensor, centre: Tensor, scale: Tensor) -> Tensor:
        """As `Representation` says."""
        level = self.level(x.unsqueeze(2), centre, scale).squeeze(2)
        power = self.power(stretches_of(self.envelope(x), self.segment_samples))
        return torch.cat([power, level], dim=2)

    def envelope(self, x: Tensor) -> Tensor:
        """Envelope of `x` without its mean: [B, C, L]. x: float32 [B, C, L]."""
        spectrum = torch.fft.fft(x - x.mean(dim=2, keepdim=True)) * self.analytic
        envelope: Tensor = torch.fft.ifft(spectrum).abs()
        return envelope


def _analytic_mask(length: int, band: tuple[float, float] | None) -> Tensor:
    """What the Fourier transform is multiplied with: positive frequencies twice, negative ones not, none off band."""
    frequency = torch.fft.fftfreq(length, dtype=torch.float64)
    mask = torch.where(frequency > 0, 2.0, 0.0)
    mask[0] = 1.0
    if length % 2 == 0:
        mask[length // 2] = 1.0  # half the sample rate is its own mirror image
    if band is not None:
        mask[(frequency.abs() < band[0]) | (frequency.abs() > band[1])] = 0.0
    return mask.float()


def build_envelope_spectrum(
    settings: EnvelopeSpectrumSettings, shape: tuple[int, int], sample_period_seconds: float, units: ArrayLike | None
) -> tuple[Representation, EnvelopeSpectrumSettings]:
    """As `RepresentationKind` says."""
    settings, segment = with_segment(settings, shape[1])
    return EnvelopeSpectrum(*shape, segment, _band(settings, sample_period_seconds), units), settings


def _band(settings: EnvelopeSpectrumSettings, sample_period_seconds: float) -> tuple[float, float] | None:
    """The band in cycles per sample."""
    if settings.band_hz is None:
        return None
    low, high = settings.band_hz
    if high * sample_period_seconds > 0.5:
        limit = 0.5 / sample_period_seconds
        raise SettingsError("representation", [f"band_hz: {high:g} Hz is above half the sample rate, {limit:g} Hz"])
    return low * sample_period_seconds, high * sample_period_seconds
