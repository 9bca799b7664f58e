"""Spectrum: log power per frequency, by Welch's method within the window, with level and spread beside it.

For machines that turn: where in its turn the window began does not matter, and a change of speed or load moves the
logarithm of the power without blowing up its spread.
"""

from typing import Final

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from trainer.representations.level import LEVEL_FEATURES, Level
from trainer.representations.power import LogPower, stretches_of
from trainer.representations.representation import Representation
from trainer.representations.segments import with_segment
from trainer.settings.representation import SpectrumSettings


class Spectrum(Representation):
    """Features [B, C, n // 2 + 2], from half overlapping stretches of n samples.

    units: float [C] or None, as `Level` takes them.

    Log power density of frequencies k / n, k = 1..n // 2 (cycles per sample), then level and log spread.
    Welch, "The use of fast Fourier transform for the estimation of power spectra", 1967.
    """

    segment_samples: Final[int]

    def __init__(self, channels: int, segment_samples: int, units: ArrayLike | None) -> None:
        lines = segment_samples // 2
        super().__init__((channels, lines + LEVEL_FEATURES), levels=lines, scaled=0)
        self.segment_samples = segment_samples
        self.power = LogPower(segment_samples)
        self.level = Level(units)

    def forward(self, x: Tensor, centre: Tensor, scale: Tensor) -> Tensor:
        """As `Representation` says."""
        level = self.level(x.unsqueeze(2), centre, scale).squeeze(2)
        return torch.cat([self.power(stretches_of(x, self.segment_samples)), level], dim=2)


def build_spectrum(
    settings: SpectrumSettings, shape: tuple[int, int], sample_period_seconds: float, units: ArrayLike | None
) -> tuple[Representation, SpectrumSettings]:
    """As `RepresentationKind` says."""
    settings, segment = with_segment(settings, shape[1])
    return Spectrum(shape[0], segment, units), settings
