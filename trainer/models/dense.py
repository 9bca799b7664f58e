"""The dense autoencoder: the whole window, all channels side by side, through ever narrower layers and back.

After Rumelhart, Hinton & Williams, "Learning representations by back-propagating errors" (1986), and Hinton &
Salakhutdinov, "Reducing the dimensionality of data with neural networks" (2006): what does not fit through the
bottleneck is the residual. A code wider than the window (overcomplete) needs something else that keeps it from copying
its input: noise, sparsity or contraction; see Vincent et al., "Stacked denoising autoencoders" (2010).
"""

import math
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from trainer.models.activation import activation
from trainer.models.autoencoder import Network, Shape, default_widths
from trainer.models.layers import after_linear
from trainer.settings import DenseSettings


class TiedLinear(nn.Module):
    """A layer of the decoder that has the transposed weight of the encoder's, and a bias of its own.

    Half the numbers, and the decoder cannot undo with large weights what the encoder made small (Vincent et al. 2010).
    """

    def __init__(self, mirrored: nn.Linear) -> None:
        super().__init__()
        self.weight = mirrored.weight  # the same tensor, not a copy
        self.bias = nn.Parameter(mirrored.weight.new_zeros(mirrored.in_features))

    def forward(self, x: Tensor) -> Tensor:
        """Give as many numbers as the mirrored layer takes: [B, its inputs].

        x: float32 [B, outputs of the mirrored layer].
        """
        return functional.linear(x, self.weight.t(), self.bias)


class DenseAutoencoder(Network):
    """Features of any shape, flattened, through the widths `hidden` to the code and back."""

    def __init__(self, settings: DenseSettings, shape: Shape) -> None:
        inputs = math.prod(shape)
        widths = settings.hidden or default_widths(inputs)
        described = settings.model_copy(update={"hidden": widths})
        linear = [nn.Linear(wide, narrow) for wide, narrow in pairwise((inputs, *widths))]
        *hidden, to_code = linear
        mirrors = [_mirror(layer, tied=settings.tied_weights) for layer in linear]
        down = [nn.Sequential(layer, *after_linear(layer.out_features, settings)) for layer in hidden]
        up = [
            nn.Sequential(mirror, *after_linear(layer.in_features, settings))
            for layer, mirror in zip(linear[1:], mirrors[1:], strict=True)
        ]
        super().__init__(
            described.model_dump(exclude={"family"}),
            shape,
            nn.Sequential(nn.Flatten(), *down, to_code),
            activation(settings.code_activation),
            nn.Sequential(*reversed(up), mirrors[0], nn.Unflatten(1, shape)),
        )

    def stages(self) -> list[tuple[nn.Module, nn.Module]]:
        """Each layer of the encoder with the one of the decoder that mirrors it, from the window inwards."""
        _, *down, to_code = self.encoder.children()
        *up, _ = self.decoder.children()
        return list(zip([*down, nn.Sequential(to_code, self.code_activation)], reversed(up), strict=True))


def _mirror(layer: nn.Linear, *, tied: bool) -> nn.Module:
    return TiedLinear(layer) if tied else nn.Linear(layer.out_features, layer.in_features)
