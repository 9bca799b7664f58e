"""float32, the type that samples have everywhere."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def to_float32(values: NDArray[Any]) -> NDArray[np.float32]:
    """Convert to float32, in C order. What does not fit becomes infinite, and is judged as such where quality is.

    values: numbers [...] of any shape.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return np.ascontiguousarray(values, dtype=np.float32)
