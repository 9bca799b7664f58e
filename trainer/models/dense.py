"""The dense autoencoder: the whole window, all channels side by side, through ever narrower layers and back.

After Rumelhart, Hinton & Williams (1986) and Hinton & Salakhutdinov (2006): what does not fit through the bottleneck
is the residual.
"""

from itertools import pairwise

from torch import Tensor, nn

from trainer.models.activation import activation
from trainer.models.autoencoder import Autoencoder
from trainer.settings import DenseSettings


def default_widths(inputs: int) -> tuple[int, int, int]:
    """Layer widths for `inputs` numbers per window: 140 gives 64, 32, 8; wide inputs stop growing at 256, 128, 32."""
    first = min(256, max(8, round(inputs * 64 / 140)))
    return first, first // 2, max(2, first // 8)


class DenseAutoencoder(Autoencoder):
    """Normalized windows [B, C, L] to their reconstruction [B, C, L]."""

    def __init__(self, settings: DenseSettings, channels: int, length: int) -> None:
        inputs = channels * length
        widths = settings.hidden or default_widths(inputs)
        described = settings.model_copy(update={"hidden": widths})
        super().__init__(described.model_dump(exclude={"family"}))
        path = (inputs, *widths)
        self.encoder = _layers(path, settings)
        self.decoder = _layers(path[::-1], settings)

    def forward(self, x: Tensor) -> Tensor:
        """Reconstruct a batch."""
        code = self.encoder(x.flatten(1))  # [B, C, L] -> [B, C * L] -> [B, bottleneck]
        reconstruction: Tensor = self.decoder(code)
        return reconstruction.view_as(x)


def _layers(widths: tuple[int, ...], settings: DenseSettings) -> nn.Sequential:
    """Linear layers with an activation between them; none after the last, which must reach any value."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), activation(settings.activation)]
    return nn.Sequential(*layers[:-1])
