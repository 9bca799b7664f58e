"""Convolutional autoencoders along one axis (`conv`) and along two (`conv2d`).

After Masci et al., "Stacked convolutional auto-encoders for hierarchical feature extraction" (2011).
"""

from torch import nn

from trainer.models.activation import activation
from trainer.models.autoencoder import Network, Shape, default_bottleneck
from trainer.models.pyramid import Pyramid
from trainer.models.shapes import require_one_axis
from trainer.settings import Conv2dSettings, ConvSettings


class _Convolutional(Network):
    """What both have in common. before, after: what takes features to maps and back."""

    def __init__(
        self,
        settings: ConvSettings | Conv2dSettings,
        kernel: int,
        shape: Shape,
        pyramid: Pyramid,
        before: tuple[nn.Module, ...] = (),
        after: tuple[nn.Module, ...] = (),
    ) -> None:
        steps = len(settings.features)
        if settings.fully_convolutional:
            bottleneck = None
            to_code = [*pyramid.descent(kernel, settings, steps=steps - 1), pyramid.convolutional_code(kernel)]
        else:
            bottleneck = settings.bottleneck or default_bottleneck(shape)
            to_code = [*pyramid.descent(kernel, settings, steps=steps), pyramid.dense_code(bottleneck)]
        described = settings.model_dump(exclude={"family", "bottleneck"})
        super().__init__(
            described if bottleneck is None else {**described, "bottleneck": bottleneck},
            shape,
            nn.Sequential(*before, pyramid.padding(), *to_code),
            activation(settings.code_activation),
            nn.Sequential(pyramid.ascent(kernel, settings, bottleneck), *after),
        )


class ConvAutoencoder(_Convolutional):
    """Features [B, C, F], convolved along F."""

    def __init__(self, settings: ConvSettings, shape: Shape) -> None:
        require_one_axis(settings.family, shape)
        super().__init__(settings, settings.kernel_samples, shape, Pyramid.over(shape[0], shape[1:], settings.features))


class Conv2dAutoencoder(_Convolutional):
    """Features [B, C, H, W]; or images [B, C, F]: one channel of C rows and F columns."""

    smooth_axes = 2

    def __init__(self, settings: Conv2dSettings, shape: Shape) -> None:
        if len(shape) == 2:
            pyramid = Pyramid.over(1, shape, settings.features)
            before, after = (nn.Unflatten(1, (1, shape[0])),), (nn.Flatten(1, 2),)
            super().__init__(settings, settings.kernel_size, shape, pyramid, before, after)
        else:
            super().__init__(
                settings, settings.kernel_size, shape, Pyramid.over(shape[0], shape[1:], settings.features)
            )
