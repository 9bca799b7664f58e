"""Stretches and score lines as bytes.

Layout, all integers little-endian: version (1 byte), then C, n and W (uint32 each), then a zlib stream. In it, one
after the other: of a stretch `values` float32 [C, n]; then, of each of the W windows, the end in microseconds since the
one before (int64, the first since 1970), score float32, verdict int8 and quality int8. The bytes of an array lie by
significance (all lowest bytes first), as HDF5's shuffle filter lays them: exponents resemble one another, and compress.
"""

import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.core.history.score_line import ScoreLine
from monitor.core.values.scorer import Floats32

_VERSION = 1
_HEAD = struct.Struct("<BIII")
_LEVEL = 1  # what follows takes three times as long for some per cent less
_WINDOW_BYTES = 8 + 4 + 1 + 1
_MICROSECONDS = 1e6
# More than any stretch or block holds; a damaged head must not ask for more memory than there is
_MAX_BYTES = 1 << 30


class ContentError(ValueError):
    """The bytes are no stretch or score line; the text says why."""


def encode_content(values: Floats32, line: ScoreLine) -> bytes:
    """Encode samples with what their windows came to. values: float32 [C, n], of a score line alone [0, 0]."""
    channels, samples = values.shape
    ends = np.round(line.ends_seconds * _MICROSECONDS).astype(np.int64)
    columns: tuple[NDArray[Any], ...] = (
        values.astype("<f4", copy=False),
        np.diff(ends, prepend=np.int64(0)).astype("<i8", copy=False),
        line.score.astype("<f4", copy=False),
        line.verdict,
        line.quality,
    )
    packed = zlib.compress(b"".join(map(_shuffled, columns)), _LEVEL)
    return _HEAD.pack(_VERSION, channels, samples, len(line)) + packed


def decode_content(data: bytes) -> tuple[Floats32, ScoreLine]:
    """Decode what `encode_content` made: values float32 [C, n], and what the windows came to.

    Raises:
        ContentError: the bytes are damaged, or of a later version.

    """
    if len(data) < _HEAD.size:
        raise ContentError("it is cut off")
    version, channels, samples, windows = _HEAD.unpack_from(data)
    if version != _VERSION:
        raise ContentError(f"it is of version {version}, this program reads version {_VERSION}")
    size = 4 * channels * samples + _WINDOW_BYTES * windows
    if size > _MAX_BYTES:
        raise ContentError(f"it claims to hold {size} bytes")
    unpacker = zlib.decompressobj()
    try:
        plain = unpacker.decompress(data[_HEAD.size :], size + 1)
    except zlib.error as error:
        raise ContentError(f"it cannot be unpacked: {error}") from None
    if len(plain) != size or not unpacker.eof:
        raise ContentError(f"it holds {len(plain)} bytes where {size} are due, or is cut off")
    values, at = _unshuffled(plain, 0, "<f4", channels * samples)
    steps, at = _unshuffled(plain, at, "<i8", windows)
    score, at = _unshuffled(plain, at, "<f4", windows)
    verdict, at = _unshuffled(plain, at, "i1", windows)
    quality, _ = _unshuffled(plain, at, "i1", windows)
    ends = np.cumsum(steps) / _MICROSECONDS
    return values.reshape(channels, samples), ScoreLine(ends, score, verdict, quality)


def _shuffled(array: NDArray[Any]) -> bytes:
    flat = np.ascontiguousarray(array).reshape(-1)
    return flat.view(np.uint8).reshape(-1, array.itemsize).T.tobytes()


def _unshuffled(data: bytes, at: int, kind: str, count: int) -> tuple[NDArray[Any], int]:
    dtype = np.dtype(kind)
    stop = at + count * dtype.itemsize
    planes = np.frombuffer(data, np.uint8, stop - at, at).reshape(dtype.itemsize, count)
    array = np.ascontiguousarray(planes.T).reshape(-1).view(dtype)
    return array.astype(dtype.newbyteorder("="), copy=False), stop
