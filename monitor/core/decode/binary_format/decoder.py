"""Packed binary payloads to blocks: `value = raw * scale + offset`, near the speed of memory.

A payload is any whole number of samples, each with all channels; what is no whole number of samples is refused.
"""

import numpy as np
from numpy.typing import NDArray

from monitor.core.decode.decoded import Decoded, Decoder
from monitor.core.decode.ragged import lengths
from monitor.core.decode.refusals import Refusals
from monitor.core.values.discards import Reason
from monitor.core.values.float32 import to_float32
from monitor.core.values.messages import MessageBatch


class BinaryDecoder(Decoder):
    """Decodes packed samples of `channels` channels. Never raises on a payload.

    dtype: of each number, as numpy names it. planar: whether each channel's samples stand together, not each sample's
    channels. A value is `raw * scale + offset`.
    """

    def __init__(self, channels: int, dtype: str, planar: bool, scale: float, offset: float) -> None:
        self._dtype = np.dtype(dtype)
        self._planar = planar
        self._scale = scale
        self._offset = offset
        self._channels = channels

    def decode(self, batch: MessageBatch) -> Decoded:
        """Decode messages of one source; see `Decoded`."""
        payloads = batch.payload
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
