"""Windows with the numbers that normalize them: what the module takes."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BATCH_WINDOWS = 1024


@dataclass(frozen=True, slots=True)
class Windows:
    """N windows: values float32 [N, C, L] (raw), centre and scale float32 [N, C]; a template is a centre [N, C, L]."""

    values: NDArray[np.float32]
    centre: NDArray[np.float32]
    scale: NDArray[np.float32]

    def __len__(self) -> int:
        """How many windows."""
        return len(self.values)

    def __getitem__(self, index: NDArray[np.int64] | NDArray[np.bool_]) -> "Windows":
        """Take the windows at `index`."""
        return Windows(self.values[index], self.centre[index], self.scale[index])

    def first_channels(self, count: int) -> "Windows":
        """The same windows with only their first `count` channels."""
        return Windows(self.values[:, :count], self.centre[:, :count], self.scale[:, :count])

    @staticmethod
    def join(several: list["Windows"]) -> "Windows":
        """Put the windows of several (at least one) one after another."""
        return Windows(
            np.concatenate([windows.values for windows in several]),
            np.concatenate([windows.centre for windows in several]),
            np.concatenate([windows.scale for windows in several]),
        )


def batches_of(windows: Windows) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Values [B, C, L], centre [B, C] and scale [B, C], as many windows at once as suit any machine's memory.

    Of no windows nothing: `torch.split` would give one empty batch, which not every representation takes.
    """
    if not len(windows):
        return iter(())
    columns = [torch.from_numpy(column) for column in (windows.values, windows.centre, windows.scale)]
    return zip(*(torch.split(column, BATCH_WINDOWS) for column in columns), strict=True)


def normalize(windows: Tensor, centre: Tensor, scale: Tensor) -> Tensor:
    """Give windows in units of their scale around their centre: [B, C, L].

    windows: float32 [B, C, L]. centre: float32 [B, C] or, of normalization `template`, [B, C, L].
    scale: float32 [B, C].
    """
    return (windows - per_sample(centre)) / scale.unsqueeze(2)


def denormalize(windows: Tensor, centre: Tensor, scale: Tensor) -> Tensor:
    """Take normalized windows back to the units of the input: [B, C, L].

    windows: float32 [B, C, L], normalized. centre: float32 [B, C] or, of normalization `template`, [B, C, L]. scale:
    float32 [B, C].
    """
    return windows * scale.unsqueeze(2) + per_sample(centre)


def per_sample(centre: Tensor) -> Tensor:
    """A centre that windows [B, C, L] can be compared with: [B, C, 1] or, if it is a template, [B, C, L].

    centre: float32 [B, C] or [B, C, L].
    """
    if centre.dim() == 2:
        return centre.unsqueeze(2)
    return centre
