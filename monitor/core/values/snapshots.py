"""State: what a part of the core holds, as plain values and arrays by name, to be kept elsewhere and put back.

Each class with something to keep has a `snapshot` and a `restore`; what `restore` gets is what `snapshot` gave, and
afterwards the two behave alike. What comes from a file is checked before anything is changed: `typed`, `part_of` and
`array_in` raise `StateError` where it is something else. Here is also how such values become bytes: MessagePack, with
arrays as one extension.
"""

import re
from typing import Annotated, Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import DTypeLike, NDArray

State = dict[str, Any]

_Kind = TypeVar("_Kind")

# What numbers of a state may be: beyond this a float64 cannot tell two of them apart, and an int64 soon overflows.
LARGEST = 2**53
Slot = Annotated[int, msgspec.Meta(ge=-LARGEST, le=LARGEST)]
Count = Annotated[int, msgspec.Meta(ge=0, le=LARGEST)]

_ARRAY = 1  # the MessagePack extension code of an array: [dtype, shape, bytes]
_DTYPE = re.compile(r"[<|>][bfiu][1248]")
_encode = msgspec.msgpack.encode


class StateError(ValueError):
    """What was read is no state that can be used here; the text says why.

    reason: in one word, as it is counted.
    """

    def __init__(self, text: str, reason: str = "damaged") -> None:
        super().__init__(text)
        self.reason = reason


def typed(value: object, kind: type[_Kind]) -> _Kind:
    """A part of a state as `kind`, a type that msgspec knows.

    Raises:
        StateError: it is no such thing.

    """
    try:
        return msgspec.convert(value, kind)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:  # an array in the way makes it stumble
        raise StateError(f"another state was expected: {error}") from None


def part_of(state: object, name: str) -> Any:
    """The part of a state under this name.

    Raises:
        StateError: there is none.

    """
    if not isinstance(state, dict) or name not in state:
        raise StateError(f"it lacks `{name}`")
    return state[name]


def array_in(state: object, name: str, dtype: DTypeLike, shape: tuple[int, ...]) -> NDArray[Any]:
    """The array under this name, of just this type and shape.

    Raises:
        StateError: there is none.

    """
    array = part_of(state, name)
    if not isinstance(array, np.ndarray) or array.dtype != dtype or array.shape != shape:
        raise StateError(f"`{name}` is no array of {np.dtype(dtype)} {list(shape)}")
    return array


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
    except (msgspec.DecodeError, TypeError, ValueError, OverflowError, RecursionError) as error:
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
