"""What decoding makes of payloads: blocks of samples, in columns."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from monitor.core.values.discards import Discard


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a run of payloads of one source contributes, in columns: M blocks, N samples in all.

    payload: int64 [M], which payload each block came from (ascending). first_time_seconds: float64 [M], epoch; NaN
    where the payload carries none. length: int64 [M], samples per block, all > 0. values: float32 [N, C'], the
    blocks' rows one after another. refused: payload index and why.
    """

    payload: NDArray[np.int64]
    first_time_seconds: NDArray[np.float64]
    length: NDArray[np.int64]
    values: NDArray[np.float32]
    refused: tuple[tuple[int, Discard], ...] = ()


class Decoder(Protocol):
    """Payload bytes to blocks. It never raises on a payload: a bad one is refused with a reason, the others count."""

    def decode(self, payloads: list[bytes]) -> Decoded:
        """Decode payloads of one source, each `bytes`."""
        ...
