"""The skeleton of every convolutional family: maps that are halved step by step, a code, maps that are doubled back.

Down by strided convolutions. Up by nearest-neighbour interpolation and convolution, because transposed convolutions
leave a checkerboard in the reconstruction (Odena, Dumoulin & Olah, "Deconvolution and Checkerboard Artifacts", 2016).
The code is a dense layer unless asked otherwise: a convolutional one keeps so many numbers per window that anomalies
pass it as well.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

from torch import nn

from trainer.models.layers import Crop, Pad, after_convolution, convolution
from trainer.settings.model import LayeredSettings

SHORTEST_HALVED = 4  # an axis below this is left alone: a few channels taken as rows, say


@dataclass(frozen=True, slots=True)
class Pyramid:
    """Which maps there are on the way to the code.

    maps: how many before the first step, and after each. sizes: of the axes that are halved. strides: of each step.
    """

    maps: tuple[int, ...]
    sizes: tuple[int, ...]
    strides: tuple[tuple[int, ...], ...]

    @classmethod
    def over(cls, channels: int, sizes: tuple[int, ...], features: tuple[int, ...]) -> "Pyramid":
        """Plan one step per entry of `features`."""
        strides: list[tuple[int, ...]] = []
        left = sizes
        for _ in features:
            strides.append(tuple(2 if size >= SHORTEST_HALVED else 1 for size in left))
            left = tuple(-(-size // stride) for size, stride in zip(left, strides[-1], strict=True))
        return cls((channels, *features), sizes, tuple(strides))

    @property
    def top(self) -> tuple[int, ...]:
        """Shape of the last maps: (maps, F') or (maps, H', W')."""
        return (self.maps[-1], *(-(-size // fold) for size, fold in zip(self.sizes, self._folds, strict=True)))

    @property
    def _folds(self) -> tuple[int, ...]:
        """By how much each axis is shortened in all."""
        return tuple(math.prod(steps) for steps in zip(*self.strides, strict=True))

    def padding(self) -> Pad:
        """Lengthen each axis to what the steps divide evenly."""
        folded = zip(self.top[1:], self._folds, self.sizes, strict=True)
        return Pad(tuple(short * fold - size for short, fold, size in folded))

    def descent(self, kernel: int, settings: LayeredSettings, *, steps: int) -> list[nn.Module]:
        """The first `steps` steps down, one module each."""
        pairs = zip(pairwise(self.maps), self.strides, strict=True)
        return [
            nn.Sequential(
                convolution(narrow, wide, kernel, stride), *after_convolution(wide, len(self.sizes), settings)
            )
            for (narrow, wide), stride in list(pairs)[:steps]
        ]

    def dense_code(self, bottleneck: int) -> nn.Sequential:
        """The last maps to a code [B, bottleneck]."""
        return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(self.top), bottleneck))

    def convolutional_code(self, kernel: int) -> nn.Sequential:
        """The last step, whose maps, flattened, are the code."""
        return nn.Sequential(convolution(self.maps[-2], self.maps[-1], kernel, self.strides[-1]), nn.Flatten())

    def ascent(self, kernel: int, settings: LayeredSettings, bottleneck: int | None) -> nn.Sequential:
        """Code [B, bottleneck], or flattened maps (None), to what stood before the first step."""
        axes = len(self.sizes)
        modules: list[nn.Module] = [nn.Unflatten(1, self.top)]
        if bottleneck is not None:
            modules.insert(0, nn.Linear(bottleneck, math.prod(self.top)))
            modules += after_convolution(self.maps[-1], axes, settings)
        for (narrow, wide), stride in reversed(list(zip(pairwise(self.maps), self.strides, strict=True))):
            modules += [
                nn.Upsample(scale_factor=tuple(map(float, stride))),
                convolution(wide, narrow, kernel, (1,) * axes),
            ]
            modules += after_convolution(narrow, axes, settings)
        outermost = len(after_convolution(self.maps[0], axes, settings))
        return nn.Sequential(
            *modules[:-outermost], Crop(self.sizes)
        )  # nothing follows the last: it must reach any value
