"""Windows with the numbers that normalize them: what the module takes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Windows:
    """N windows: values float32 [N, C, L] (raw), centre and scale float32 [N, C]."""

    values: NDArray[np.float32]
    centre: NDArray[np.float32]
    scale: NDArray[np.float32]

    def __len__(self) -> int:
        """How many windows."""
        return len(self.values)

    def __getitem__(self, index: NDArray[np.int64] | NDArray[np.bool_]) -> "Windows":
        """Take the windows at `index`."""
        return Windows(self.values[index], self.centre[index], self.scale[index])

    @staticmethod
    def join(several: list["Windows"]) -> "Windows":
        """Put the windows of several (at least one) one after another."""
        return Windows(
            np.concatenate([windows.values for windows in several]),
            np.concatenate([windows.centre for windows in several]),
            np.concatenate([windows.scale for windows in several]),
        )
