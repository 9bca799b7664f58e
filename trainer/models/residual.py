"""The strong encoder: residual convolutions find the code, a plain decoder must make do with it.

Residual blocks as in He et al., "Deep residual learning for image recognition" (2016). The decoder is that of `conv`:
what it can draw from a code is what the encoder learns to say, so strength pays on the encoder's side.
"""

from itertools import pairwise

from torch import Tensor, nn

from trainer.models.activation import activation
from trainer.models.autoencoder import Network, Shape, default_bottleneck
from trainer.models.layers import after_convolution, convolution
from trainer.models.pyramid import Pyramid
from trainer.models.shapes import require_one_axis
from trainer.settings import ResidualSettings


class ResidualBlock(nn.Module):
    """Two convolutions and a way around them: [B, C, F] to [B, C', F / stride]."""

    def __init__(self, narrow: int, wide: int, stride: int, settings: ResidualSettings) -> None:
        super().__init__()
        kernel = settings.kernel_samples
        self.path = nn.Sequential(
            convolution(narrow, wide, kernel, (stride,)),
            *after_convolution(wide, 1, settings),
            convolution(wide, wide, kernel, (1,)),
        )
        same = narrow == wide and stride == 1
        self.around = nn.Identity() if same else nn.Conv1d(narrow, wide, 1, stride=stride)
        self.after = nn.Sequential(*after_convolution(wide, 1, settings))

    def forward(self, x: Tensor) -> Tensor:
        """Add what the path finds to what goes around it: [B, C', F / stride]. x: float32 [B, C, F]."""
        features: Tensor = self.after(self.path(x) + self.around(x))
        return features


class ResidualAutoencoder(Network):
    """Features [B, C, F], convolved along F."""

    def __init__(self, settings: ResidualSettings, shape: Shape) -> None:
        require_one_axis(settings.family, shape)
        bottleneck = settings.bottleneck or default_bottleneck(shape)
        pyramid = Pyramid.over(shape[0], shape[1:], settings.features)
        blocks: list[nn.Module] = []
        for (narrow, wide), stride in zip(pairwise(pyramid.maps), pyramid.strides, strict=True):
            blocks.append(ResidualBlock(narrow, wide, stride[0], settings))
            blocks += [ResidualBlock(wide, wide, 1, settings) for _ in range(settings.blocks - 1)]
        super().__init__(
            settings.model_copy(update={"bottleneck": bottleneck}).model_dump(exclude={"family"}),
            shape,
            nn.Sequential(pyramid.padding(), *blocks, pyramid.dense_code(bottleneck)),
            activation(settings.code_activation),
            pyramid.ascent(settings.kernel_samples, settings, bottleneck),
        )
