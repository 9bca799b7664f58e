"""Arrays as text, as the manifest has them."""

import base64
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from monitor.core.artifact.part import ManifestPart


class Array(ManifestPart):
    """A float32 array as text: little-endian bytes in base64."""

    shape: tuple[Annotated[int, Field(ge=0)], ...]
    float32_base64: str

    @classmethod
    def of(cls, values: NDArray[Any]) -> "Array":
        """Encode an array (as float32). values: numbers [...] of any shape."""
        data = np.ascontiguousarray(values, dtype="<f4").tobytes()
        return cls(shape=values.shape, float32_base64=base64.b64encode(data).decode("ascii"))

    def numpy(self) -> NDArray[np.float32]:
        """Decode the array: float32 of `shape`."""
        data = base64.b64decode(self.float32_base64, validate=True)
        return np.frombuffer(data, dtype="<f4").reshape(self.shape).astype(np.float32)

    @model_validator(mode="after")
    def _decodes(self) -> "Array":
        self.numpy()
        return self
