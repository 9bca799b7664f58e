"""Arrays that grow by doubling, so that adding streams one at a time stays cheap."""

import math
import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

# From this size on an array gets memory of its own, straight from the system: what it has not used yet costs nothing,
# and what it outgrew is given back, though the process may keep what it frees (`adapters/engines/allocator.py`).
_OWN_MEMORY_BYTES = 256 * 1024


def zeros(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """An array of zeros that is there to stay."""
    kind = np.dtype(dtype)
    size = math.prod(shape) * kind.itemsize
    if size < _OWN_MEMORY_BYTES:
        return np.zeros(shape, kind)
    return np.frombuffer(mmap.mmap(-1, size), kind).reshape(shape)


def grown(array: NDArray[Any], rows: int, fill: Any) -> NDArray[Any]:
    """`array` itself if it has `rows` rows, otherwise a copy with room to spare, new rows set to `fill`.

    array: [R, ...].
    """
    if rows <= len(array):
        return array
    larger = zeros((max(rows, 2 * len(array), 16), *array.shape[1:]), array.dtype)
    larger[: len(array)] = array
    if fill != 0:
        larger[len(array) :] = fill
    return larger
