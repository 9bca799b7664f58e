"""Layers that more than one family is made of."""

from torch import Tensor, nn
from torch.nn import functional

from trainer.models.activation import activation
from trainer.settings.model import LayeredSettings


class Pad(nn.Module):
    """Repeat the last values of each axis after batch and channel, so that it can be halved evenly."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.padding = [end for width in reversed(widths) for end in (0, width)]  # torch wants the last axis first

    def forward(self, x: Tensor) -> Tensor:
        """Lengthen the axes: [B, C, F'] or [B, C, H', W']. x: float32 [B, C, F] or [B, C, H, W]."""
        return functional.pad(x, self.padding, mode="replicate")


class Crop(nn.Module):
    """Cut what `Pad` added."""

    def __init__(self, sizes: tuple[int, ...]) -> None:
        super().__init__()
        self.sizes = list(sizes)

    def forward(self, x: Tensor) -> Tensor:
        """Shorten the axes: [B, C, F] or [B, C, H, W]. x: float32 [B, C, F'] or [B, C, H', W']."""
        for axis, size in enumerate(self.sizes):
            x = x.narrow(axis + 2, 0, size)
        return x


def convolution(narrow: int, wide: int, kernel: int, stride: tuple[int, ...]) -> nn.Module:
    """A convolution along as many axes as `stride` has, padded so that only the stride shortens them."""
    if len(stride) == 1:
        return nn.Conv1d(narrow, wide, kernel, stride=stride[0], padding=kernel // 2)
    return nn.Conv2d(narrow, wide, kernel, stride=(stride[0], stride[1]), padding=kernel // 2)


def after_linear(width: int, settings: LayeredSettings) -> list[nn.Module]:
    """What follows a hidden dense layer: normalization over the batch, activation, dropout.

    Ioffe & Szegedy, "Batch normalization" (2015); Srivastava et al., "Dropout" (2014).
    """
    norm = [nn.BatchNorm1d(width)] if settings.batch_norm else []
    dropout = [nn.Dropout(settings.dropout)] if settings.dropout else []
    return [*norm, activation(settings.activation), *dropout]


def after_convolution(maps: int, axes: int, settings: LayeredSettings) -> list[nn.Module]:
    """What follows a hidden convolution: the same, but dropout leaves out whole feature maps.

    Neighbouring samples would tell what a missing one was (Tompson et al., "Efficient object localization using
    convolutional networks", 2015).
    """
    norm: list[nn.Module] = []
    dropout: list[nn.Module] = []
    if settings.batch_norm:
        norm = [nn.BatchNorm1d(maps) if axes == 1 else nn.BatchNorm2d(maps)]
    if settings.dropout:
        dropout = [nn.Dropout1d(settings.dropout) if axes == 1 else nn.Dropout2d(settings.dropout)]
    return [*norm, activation(settings.activation), *dropout]
