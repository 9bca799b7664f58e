"""Spectrogram: log power per frequency and time, for sounds and shapes that change within a window."""

from typing import Final

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from trainer.representations.level import LEVEL_FEATURES, Level
from trainer.representations.power import LogPower, stretches_of
from trainer.representations.representation import Representation
from trainer.representations.segments import with_segment
from trainer.settings.representation import SpectrogramSettings


class Spectrogram(Representation):
    """Features [B, C, n // 2 + 2, S] of S half overlapping stretches of n samples.

    units: float [C] or None, as `Level` takes them.

    Log power density of frequencies k / n, k = 1..n // 2 (cycles per sample), then level and log spread.
    """

    segment_samples: Final[int]

    def __init__(self, channels: int, length: int, segment_samples: int, units: ArrayLike | None) -> None:
        lines = segment_samples // 2
        stretches = (length - segment_samples) // (segment_samples - lines) + 1
        super().__init__((channels, lines + LEVEL_FEATURES, stretches), levels=lines, scaled=0)
        self.segment_samples = segment_samples
        self.power = LogPower(segment_samples)
        self.level = Level(units)

    def forward(self, x: Tensor, centre: Tensor, scale: Tensor) -> Tensor:
        """As `Representation` says."""
        stretches = stretches_of(x, self.segment_samples)
        return torch.cat([self.power.each(stretches), self.level(stretches, centre, scale)], dim=3).transpose(2, 3)


def build_spectrogram(
    settings: SpectrogramSettings, shape: tuple[int, int], sample_period_seconds: float, units: ArrayLike | None
) -> tuple[Representation, SpectrogramSettings]:
    """As `RepresentationKind` says."""
    settings, segment = with_segment(settings, shape[1])
    return Spectrogram(*shape, segment, units), settings
