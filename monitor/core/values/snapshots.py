"""State: what a part of the core knows, as plain values and arrays by name, to be kept elsewhere and put back.

Each class with something to remember has a `snapshot()` and a `restore(state)`; what `restore` gets is what `snapshot`
gave, and afterwards the two behave alike. Here is how such values become bytes: MessagePack, with arrays as one
extension.
"""

import re
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

State = dict[str, Any]

_ARRAY = 1  # the MessagePack extension code of an array: [dtype, shape, bytes]
_DTYPE = re.compile(r"[<|>][bfiu][1248]")
_encode = msgspec.msgpack.encode


class StateError(ValueError):
    """The bytes hold no state; the text says why."""


def arrays_of(owner: object, names: tuple[str, ...]) -> State:
    """Copies of the arrays that `owner` has under these attribute names."""
    return {name: getattr(owner, name).copy() for name in names}


def put_arrays(owner: object, names: tuple[str, ...], state: State) -> None:
    """The opposite of `arrays_of`."""
    for name in names:
        setattr(owner, name, state[name].copy())


def encode_state(state: State) -> bytes:
    """State as bytes; `decode_state` is the opposite."""
    return _encode(state, enc_hook=_as_extension)


def decode_state(data: bytes) -> State:
    """Bytes as state; lists stand where tuples were.

    Raises:
        StateError: the bytes are damaged, or no state.

    """
    try:
        state = msgspec.msgpack.decode(data, ext_hook=_as_array)
    except (msgspec.DecodeError, UnicodeDecodeError, TypeError, ValueError) as error:
        raise StateError(f"no state that can be read: {error}") from None
    if not isinstance(state, dict):
        raise StateError("no state that can be read: not a table")
    return state


def _as_extension(value: object) -> msgspec.msgpack.Ext:
    if not isinstance(value, np.ndarray):
        raise TypeError(f"{type(value).__name__} is no part of a state")
    return msgspec.msgpack.Ext(_ARRAY, _encode((value.dtype.str, value.shape, value.tobytes())))


def _as_array(code: int, data: memoryview) -> NDArray[Any]:
    if code != _ARRAY:
        raise ValueError(f"unknown extension {code}")
    dtype, shape, content = msgspec.msgpack.decode(data)
    if not isinstance(dtype, str) or _DTYPE.fullmatch(dtype) is None:  # numpy would parse anything, even as Python
        raise ValueError(f"{dtype!r} is no type of numbers")
    return np.frombuffer(content, np.dtype(dtype)).reshape(shape).copy()
