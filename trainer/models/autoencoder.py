"""What every model family is to the rest of the trainer."""

import math
from typing import Any

from torch import Tensor, nn

Shape = tuple[int, ...]  # of one window's features: (C, F), or (C, H, W) for spectrograms


class Autoencoder(nn.Module):
    """Features [B, C, F] or [B, C, H, W] to a code [B, K], and the code to a reconstruction of the features.

    shape: of one window's features. settings: the family's, completed by what the data decided. smooth_axes: along how
    many of the last axes features are blurred where training blurs them.
    """

    smooth_axes = 1

    def __init__(self, settings: dict[str, Any], shape: Shape) -> None:
        super().__init__()
        self._settings = settings
        self.shape = shape

    def encode(self, features: Tensor) -> Tensor:
        """Give the code: [B, K]. features: float32 [B, C, F] or [B, C, H, W]."""
        raise NotImplementedError

    def decode(self, code: Tensor) -> Tensor:
        """Give the features that a code stands for, in the shape of features. code: float32 [B, K]."""
        raise NotImplementedError

    def forward(self, features: Tensor) -> Tensor:
        """Reconstruct a batch of features. features: float32 [B, C, F] or [B, C, H, W]."""
        return self.decode(self.encode(features))

    def count_numbers(self) -> int:
        """How many numbers the model holds; tied weights are the same numbers."""
        return sum({each.data_ptr(): each.numel() for each in self.state_dict().values()}.values())

    def describe(self) -> dict[str, Any]:
        """Give the family's settings, completed by what the data decided."""
        return self._settings


class Network(Autoencoder):
    """An autoencoder of layers, which learns by gradient descent.

    encoder: its last module makes the code, before `code_activation`; everything before it is shared with the variance
        of a variational code (`trainer.models.objective`).
    """

    def __init__(
        self,
        settings: dict[str, Any],
        shape: Shape,
        encoder: nn.Sequential,
        code_activation: nn.Module,
        decoder: nn.Module,
    ) -> None:
        super().__init__(settings, shape)
        self.encoder = encoder
        self.code_activation = code_activation
        self.decoder = decoder

    def encode(self, features: Tensor) -> Tensor:
        """As `Autoencoder` says."""
        code: Tensor = self.code_activation(self.encoder(features))
        return code

    def decode(self, code: Tensor) -> Tensor:
        """As `Autoencoder` says."""
        features: Tensor = self.decoder(code)
        return features


def default_widths(inputs: int) -> tuple[int, int, int]:
    """Layer widths for `inputs` numbers per window: 140 gives 64, 32, 8; wide inputs stop growing at 256, 128, 32."""
    first = min(256, max(8, round(inputs * 64 / 140)))
    return first, first // 2, min(max(2, first // 8), max(1, inputs - 1))


def default_bottleneck(shape: Shape) -> int:
    """How many numbers stand for a window where nothing is said."""
    return default_widths(math.prod(shape))[-1]
