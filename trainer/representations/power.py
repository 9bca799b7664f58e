"""Power spectral density of overlapping stretches of a window, after Welch (1967), in operations that export.

What `scipy.signal.spectrogram` computes with a Hann window, half overlap, `detrend="constant"` and density scaling at
one sample per second; its mean over the stretches is what `scipy.signal.welch` computes. The constant part (frequency
0) is left out: the detrending took it away, and `Level` has it.
"""

from typing import Final

import torch
from torch import Tensor, nn

# Added to a density before its logarithm (windows are normalized, so that a white one has density 2): 60 dB below the
# normal, noise of the sensor's last bit is no longer told from silence.
SMALLEST_DENSITY = 1e-6


class LogPower(nn.Module):
    """Logarithm of the power density: of stretches [B, C, S, n], and of their mean."""

    hann: Tensor  # [n]
    factor: Tensor  # [n // 2]
    smallest_density: Final[float]

    def __init__(self, segment_samples: int) -> None:
        super().__init__()
        self.smallest_density = SMALLEST_DENSITY
        hann = torch.hann_window(segment_samples, periodic=True, dtype=torch.float64)
        factor = torch.full((segment_samples // 2,), 2.0, dtype=torch.float64)  # both halves of the spectrum
        if segment_samples % 2 == 0:
            factor[-1] = 1.0  # half the sample rate is its own mirror image
        self.register_buffer("hann", hann.float())
        self.register_buffer("factor", (factor / hann.square().sum()).float())

    def each(self, stretches: Tensor) -> Tensor:
        """Logarithm of each stretch's density: [B, C, S, n // 2]. stretches: float32 [B, C, S, n]."""
        return (self._density(stretches) + self.smallest_density).log()

    def forward(self, stretches: Tensor) -> Tensor:
        """Logarithm of the stretches' mean density (Welch): [B, C, n // 2]. stretches: float32 [B, C, S, n]."""
        return (self._density(stretches).mean(dim=2) + self.smallest_density).log()

    def _density(self, stretches: Tensor) -> Tensor:
        tapered = (stretches - stretches.mean(dim=3, keepdim=True)) * self.hann
        spectrum = torch.view_as_real(torch.fft.rfft(tapered))[:, :, :, 1:]
        return spectrum.square().sum(dim=4) * self.factor


def stretches_of(x: Tensor, segment_samples: int) -> Tensor:
    """Cut into half overlapping stretches: [B, C, S, n]. What is left over at the end is not used.

    x: float32 [B, C, L].
    """
    return x.unfold(2, segment_samples, segment_samples - segment_samples // 2)
