"""An ONNX model taken apart as far as a comparison needs it, and given the numbers of a refit.

A model is a message of Protocol Buffers: fields, each of a number and a value. Those that matter here are named below
as in onnx.proto. A refit may differ from its parent in what the model is described by (manifest, and which artifact it
belongs to) and in the bytes of initializers of floating-point numbers. Whole numbers stay: in ONNX they are shapes and
places. So do the few floating-point numbers that decide how large a result is.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from monitor.core.artifact.code_equality.unequal import UnequalError
from monitor.core.artifact.manifest import ARTIFACT_SHA256, MANIFEST_FILE

_GRAPH, _METADATA = 7, 14  # of ModelProto
_NODE, _INITIALIZER = 1, 5  # of GraphProto
_INPUT, _OPERATOR = 1, 4  # of NodeProto
_DATA_TYPE, _NAME, _RAW_DATA = 2, 8, 9  # of TensorProto
_KEY, _VALUE = 1, 2  # of StringStringEntryProto
_FLOATS = {1, 10, 11, 16}  # FLOAT, FLOAT16, DOUBLE, BFLOAT16
_SIZING = {b"Resize", b"Upsample", b"Range"}  # operators whose floating-point inputs decide sizes
_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5  # kinds of values
_DESCRIBED = {MANIFEST_FILE, ARTIFACT_SHA256}


class _Field(NamedTuple):
    """One field of a message.

    whole: the whole number that it holds, 0 where it holds something else. start: where the field begins. value: where
    its value stands, which is at its end.
    """

    number: int
    kind: int
    whole: int
    start: int
    value: slice


@dataclass(frozen=True, slots=True)
class GraphFile:
    """A model without its description, where its floating-point numbers stand in it, and its description by keys."""

    graph: bytes
    numbers: tuple[slice, ...]
    described: dict[str, bytes]
    description: bytes

    @classmethod
    def read(cls, data: bytes) -> "GraphFile":
        """Read a model.

        Raises:
            UnequalError: it is no ONNX model as the trainer writes it.

        """
        graph, description = bytearray(), bytearray()
        described: dict[str, bytes] = {}
        numbers: list[slice] = []
        for field in _fields(data, slice(0, len(data))):
            whole = data[field.start : field.value.stop]
            if field.number == _METADATA and field.kind == _LENGTH:
                key, value = _entry(data, field.value)
                if key in described or key not in _DESCRIBED:
                    raise UnequalError(f"is described by {key[:40]!r}, which the trainer does not write, or not twice")
                described[key] = value
                description += whole
                continue
            if field.number == _GRAPH and field.kind == _LENGTH:
                shift = len(graph) - field.start
                numbers += [slice(at.start + shift, at.stop + shift) for at in _floats(data, field.value)]
            graph += whole
        return cls(bytes(graph), tuple(numbers), described, bytes(description))

    @property
    def manifest(self) -> str:
        """The manifest, as text.

        Raises:
            UnequalError: there is none.

        """
        return self._text(MANIFEST_FILE)

    @property
    def artifact_sha256(self) -> str:
        """Which artifact the model belongs to.

        Raises:
            UnequalError: that is not told.

        """
        return self._text(ARTIFACT_SHA256)

    def with_numbers_of(self, refit: "GraphFile") -> bytes:
        """Put the numbers and the description of a refit into this model; return the model that comes of it.

        Raises:
            UnequalError: the refit differs from this one in something else.

        """
        if self.numbers != refit.numbers or self.without_numbers() != refit.without_numbers():
            raise UnequalError("its graph is another: it has other parts, sizes or whole numbers")
        together = bytearray(self.graph)
        for at in self.numbers:
            together[at] = refit.graph[at]
        return bytes(together) + refit.description

    def without_numbers(self) -> bytes:
        """Give the model with zeros in the place of its floating-point numbers."""
        blank = bytearray(self.graph)
        for at in self.numbers:
            blank[at] = bytes(at.stop - at.start)
        return bytes(blank)

    def _text(self, key: str) -> str:
        try:
            return self.described[key].decode()
        except (KeyError, UnicodeDecodeError):
            raise UnequalError(f"has no {key}") from None


def _floats(data: bytes, graph: slice) -> Iterator[slice]:
    """Where the bytes of the initializers stand that are floating-point numbers and decide no sizes."""
    parts = [field for field in _fields(data, graph) if field.kind == _LENGTH]
    sizes: set[bytes] = set()
    for node in parts:
        if node.number == _NODE:
            inside = _texts(data, node.value)
            if _SIZING.intersection(inside[_OPERATOR]):
                sizes.update(inside[_INPUT])
    for initializer in parts:
        if initializer.number == _INITIALIZER and sizes.isdisjoint(_texts(data, initializer.value)[_NAME]):
            fields = list(_fields(data, initializer.value))
            types = [field.whole for field in fields if field.number == _DATA_TYPE and field.kind == _VARINT]
            raw = [field.value for field in fields if field.number == _RAW_DATA and field.kind == _LENGTH]
            if len(types) == len(raw) == 1 and types[0] in _FLOATS:
                yield raw[0]


def _texts(data: bytes, where: slice) -> dict[int, list[bytes]]:
    """Collect the texts of a message by the number of their field."""
    found: dict[int, list[bytes]] = defaultdict(list)
    for field in _fields(data, where):
        if field.kind == _LENGTH and field.number != _RAW_DATA:
            found[field.number].append(data[field.value])
    return found


def _entry(data: bytes, where: slice) -> tuple[str, bytes]:
    parts = {field.number: data[field.value] for field in _fields(data, where) if field.kind == _LENGTH}
    try:
        return parts[_KEY].decode(), parts[_VALUE]
    except (KeyError, UnicodeDecodeError):
        raise UnequalError("is described in a way that ONNX does not have") from None


def _fields(data: bytes, where: slice) -> Iterator[_Field]:
    """Walk over the fields of the message that stands in `data[where]`."""
    at: int = where.start
    while at < where.stop:
        start = at
        tag, at = _whole_number(data, at, where.stop)
        number, kind = tag >> 3, tag & 7
        whole = 0
        if kind == _VARINT:
            value_start = at
            whole, at = _whole_number(data, at, where.stop)
        elif kind == _LENGTH:
            length, value_start = _whole_number(data, at, where.stop)
            at = value_start + length
        elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
            value_start = at
            at += 8 if kind == _EIGHT_BYTES else 4
        else:
            raise UnequalError("is no ONNX model")
        if at > where.stop:
            raise UnequalError("is cut off")
        yield _Field(number, kind, whole, start, slice(value_start, at))


def _whole_number(data: bytes, at: int, stop: int) -> tuple[int, int]:
    """Read a number in base 128, the lowest digits first; give it and where the next thing stands."""
    value = 0
    for place in range(10):
        if at + place >= stop:
            raise UnequalError("is cut off")
        digits = data[at + place]
        value |= (digits & 0x7F) << (7 * place)
        if digits < 0x80:
            return value, at + place + 1
    raise UnequalError("is no ONNX model")
