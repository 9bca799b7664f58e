"""Arrays that grow by doubling, so that adding streams one at a time stays cheap."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def grown(array: NDArray[Any], rows: int, fill: Any) -> NDArray[Any]:
    """`array` itself if it has `rows` rows, otherwise a copy with room to spare, new rows set to `fill`."""
    if rows <= len(array):
        return array
    shape = (max(rows, 2 * len(array), 16), *array.shape[1:])
    # the system hands out zeroed memory only when it is used, so that room to spare in large arrays costs nothing
    larger = np.zeros(shape, array.dtype) if fill == 0 else np.full(shape, fill, array.dtype)
    larger[: len(array)] = array
    return larger
