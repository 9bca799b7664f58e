"""Packed binary payloads to blocks: `value = raw * scale + offset`, near the speed of memory.

A payload is any whole number of samples, each with all channels; what is no whole number of samples is refused.
"""

import numpy as np
from numpy.typing import NDArray

from monitor.core.decode.decoded import Decoded
from monitor.core.decode.formats import BinaryFormat
from monitor.core.decode.ragged import lengths
from monitor.core.decode.refusals import Refusals
from monitor.core.values.discards import Reason
from monitor.core.values.float32 import to_float32

_NUMPY_CODES = {"f32": "f4", "f64": "f8", "i16": "i2"}


class BinaryDecoder:
    """Decodes packed samples by a `BinaryFormat` for `channels` channels. Never raises on a payload."""

    def __init__(self, settings: BinaryFormat, channels: int) -> None:
        order = "<" if settings.byte_order == "little" else ">"
        self._dtype = np.dtype(order + _NUMPY_CODES[settings.encoding])
        self._planar = settings.layout == "planar"
        self._scale = settings.scale
        self._offset = settings.offset
        self._channels = channels

    def decode(self, payloads: list[bytes]) -> Decoded:
        """Decode payloads of one source; see `Decoded`."""
        refusals = Refusals(payloads)
        length, rest = np.divmod(lengths(payloads), self._dtype.itemsize * self._channels)
        index = np.arange(len(payloads))
        if rest.any():
            whole = f"not a whole number of samples of {self._channels} x {self._dtype.itemsize} bytes"
            refusals.add_where(rest > 0, index, Reason.MALFORMED, whole)
            index = refusals.kept()
            length = length[index]
        raw = np.frombuffer(b"".join([payloads[kept] for kept in index.tolist()]), dtype=self._dtype)
        return Decoded(
            payload=index,
            first_time_seconds=np.full(len(index), np.nan),
            length=length,
            values=self._values(self._interleaved(raw, length)),
            refused=refusals.as_tuple(),
        )

    def _interleaved(self, raw: NDArray[np.generic], length: NDArray[np.int64]) -> NDArray[np.generic]:
        """Rows of one sample each, [N, C]."""
        if not self._planar or not raw.size:
            return raw.reshape(-1, self._channels)
        if (length == length[0]).all():
            return raw.reshape(len(length), self._channels, -1).transpose(0, 2, 1).reshape(-1, self._channels)
        parts = np.split(raw, np.cumsum(length * self._channels)[:-1])
        return np.concatenate([part.reshape(self._channels, -1).T for part in parts])

    def _values(self, raw: NDArray[np.generic]) -> NDArray[np.float32]:
        if self._scale == 1 and self._offset == 0:
            return to_float32(raw)
        with np.errstate(over="ignore", invalid="ignore"):
            return to_float32(raw.astype(np.float64) * self._scale + self._offset)
