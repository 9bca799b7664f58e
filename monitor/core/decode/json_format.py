"""JSON payloads to blocks.

The field paths are compiled once into a typed decoder, so that a payload costs one call into C, and a run of payloads
is flattened and checked in bulk. Only where that fails are payloads looked at one by one, to find the culprits.
Nothing is guessed: a text or a boolean is never taken for a number, `null` is a missing value (NaN).
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from operator import attrgetter
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.core.decode import ragged
from monitor.core.decode.decoded import Decoded
from monitor.core.decode.formats import JsonFormat
from monitor.core.decode.refusals import Refusals
from monitor.core.decode.timestamps import epoch_seconds, iso_seconds
from monitor.core.values.discards import Reason
from monitor.core.values.float32 import to_float32

_Number = float | None
_Series = float | list[float | None] | None
_Columns = list[Sequence[Any]]  # per field path, what each payload has there

# RecursionError: arrays nested deeper than the interpreter follows. UnicodeDecodeError: a text that is not UTF-8.
_DECODE_ERRORS = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


class JsonDecoder:
    """Decodes JSON objects by a `JsonFormat` for `channels` channels. Never raises on a payload."""

    def __init__(self, settings: JsonFormat, channels: int) -> None:
        self._timestamp_unit = settings.timestamp_unit
        self._timestamp = settings.timestamp
        self._layout, paths = _layout_of(settings, channels)
        leaf_types: dict[str, Any] = dict.fromkeys(paths, self._layout.leaf_type)
        if self._timestamp is not None:
            leaf_types[self._timestamp] = str if self._timestamp_unit == "iso8601" else float
        struct, getters = _compile(leaf_types)
        self._parse: Callable[[bytes], Any] = msgspec.json.Decoder(struct).decode
        self._getters = [getters[path] for path in paths]
        self._get_timestamp = getters[self._timestamp] if self._timestamp is not None else None
        self._explain = _Explainer(leaf_types, self._timestamp)

    def decode(self, payloads: list[bytes]) -> Decoded:
        """Decode payloads of one source; see `Decoded`."""
        refusals = Refusals(payloads)
        try:
            parsed = list(map(self._parse, payloads))
        except _DECODE_ERRORS:
            parsed = self._parse_singly(payloads, refusals)
        index = refusals.kept()
        first_time_seconds = self._times(parsed)
        length = self._layout.measure(self._columns(parsed))
        bad_time = np.isnan(first_time_seconds) & (self._timestamp is not None)
        good = (length > 0) & ~bad_time
        if not good.all():
            refusals.add_where(bad_time, index, Reason.BAD_TIMESTAMP, f"no believable time in {self._timestamp_unit}")
            refusals.add_where(length == 0, index, Reason.EMPTY, "no sample")
            refusals.add_where(length < 0, index, Reason.WRONG_SHAPE, self._layout.expected)
            parsed = [parsed[kept] for kept in np.flatnonzero(good).tolist()]
            index, first_time_seconds, length = index[good], first_time_seconds[good], length[good]
        values = self._layout.flatten(self._columns(parsed))
        return Decoded(index, first_time_seconds, length, to_float32(values), refusals.as_tuple())

    def _columns(self, parsed: list[Any]) -> _Columns:
        return [list(map(getter, parsed)) for getter in self._getters]

    def _times(self, parsed: list[Any]) -> NDArray[np.float64]:
        if self._get_timestamp is None:
            return np.full(len(parsed), np.nan)
        stamps = map(self._get_timestamp, parsed)
        if self._timestamp_unit == "iso8601":
            seconds = np.fromiter(map(_iso_seconds_or_nan, stamps), dtype=np.float64, count=len(parsed))
            return epoch_seconds(seconds, "s")
        return epoch_seconds(np.fromiter(stamps, dtype=np.float64, count=len(parsed)), self._timestamp_unit)

    def _parse_singly(self, payloads: list[bytes], refusals: Refusals) -> list[Any]:
        parsed = []
        for index, payload in enumerate(payloads):
            try:
                parsed.append(self._parse(payload))
            except _DECODE_ERRORS as error:
                refusals.add(index, self._explain(payload), str(error))
        return parsed


def _iso_seconds_or_nan(text: str) -> float:
    try:
        return iso_seconds(text)
    except ValueError:
        return np.nan


class _Layout(Protocol):
    """Where the samples of one payload are.

    measure gives the samples per payload (0: none, -1: of the wrong shape); flatten the rows of all, float64 [N, C].
    """

    leaf_type: Any
    expected: str

    def measure(self, columns: _Columns) -> NDArray[np.int64]: ...

    def flatten(self, columns: _Columns) -> NDArray[np.float64]: ...


class _Sample(_Layout):
    """One list: a number per channel."""

    leaf_type = list[_Number]

    def __init__(self, channels: int) -> None:
        self._channels = channels
        self.expected = f"not a number for each of {channels} channels"

    def measure(self, columns: _Columns) -> NDArray[np.int64]:
        numbers = ragged.lengths(columns[0])
        return np.where(numbers == self._channels, 1, np.where(numbers == 0, 0, -1))

    def flatten(self, columns: _Columns) -> NDArray[np.float64]:
        return ragged.flat(columns[0]).reshape(-1, self._channels)


class _Rows(_Layout):
    """One list of rows: each a number per channel."""

    leaf_type = list[list[_Number]]

    def __init__(self, channels: int) -> None:
        self._channels = channels
        self.expected = f"not every row has a number for each of {channels} channels"

    def measure(self, columns: _Columns) -> NDArray[np.int64]:
        return np.where(ragged.all_rows_have(self._channels, columns[0]), ragged.lengths(columns[0]), -1)

    def flatten(self, columns: _Columns) -> NDArray[np.float64]:
        return ragged.flat(list(chain.from_iterable(columns[0]))).reshape(-1, self._channels)


class _SeriesPerChannel(_Layout):
    """Per channel one field: a number or a list over time."""

    leaf_type = _Series
    expected = "channels have different numbers of samples"

    def measure(self, columns: _Columns) -> NDArray[np.int64]:
        first, *others = (self._lengths(series) for series in columns)
        for other in others:
            first = np.where(first == other, first, -1)
        return first

    def flatten(self, columns: _Columns) -> NDArray[np.float64]:
        return np.column_stack([self._flat(series) for series in columns])

    @staticmethod
    def _lengths(series: Sequence[Any]) -> NDArray[np.int64]:
        if not ragged.holds_lists(series):
            return np.ones(len(series), dtype=np.int64)
        return np.array([len(item) if isinstance(item, list) else 1 for item in series], dtype=np.int64)

    @staticmethod
    def _flat(series: Sequence[Any]) -> NDArray[np.float64]:
        if not ragged.holds_lists(series):
            return np.fromiter(series, dtype=np.float64, count=len(series))
        return ragged.flat([item if isinstance(item, list) else (item,) for item in series])


def _layout_of(settings: JsonFormat, channels: int) -> tuple[_Layout, tuple[str, ...]]:
    """Choose the layout, and the field paths it takes its columns from."""
    if settings.rows is not None:
        return _Rows(channels), (settings.rows,)
    if settings.values is not None:
        return (_Sample(channels) if channels > 1 else _SeriesPerChannel()), (settings.values,)
    return _SeriesPerChannel(), settings.fields or ()


def _compile(leaf_types: Mapping[str, Any]) -> tuple[type[msgspec.Struct], dict[str, Callable[[Any], Any]]]:
    """Make a struct type that holds what the field paths lead to, and per path the way to it."""
    tree: dict[str, Any] = {}
    for path, leaf_type in leaf_types.items():
        *parents, leaf = path.split(".")
        node = tree
        for key in parents:
            node = node.setdefault(key, {})
        node[leaf] = leaf_type

    # keys are any text, attributes are not: attributes are numbered, and renamed to their keys
    def struct_of(node: dict[str, Any]) -> type[msgspec.Struct]:
        types = {key: struct_of(child) if isinstance(child, dict) else child for key, child in node.items()}
        attributes = {f"f{number}": key for number, key in enumerate(types)}
        members = [(attribute, types[key]) for attribute, key in attributes.items()]
        # gc=False: structs made of numbers and lists of numbers cannot form cycles
        return msgspec.defstruct("Payload", members, rename=attributes, gc=False)

    def attribute_path(path: str) -> str:
        node, attributes = tree, []
        for key in path.split("."):
            attributes.append(f"f{list(node).index(key)}")
            node = node[key]
        return ".".join(attributes)

    return struct_of(tree), {path: attrgetter(attribute_path(path)) for path in leaf_types}


class _Explainer:
    """Finds the reason why a payload was not decoded, by taking it apart step by step."""

    def __init__(self, leaf_types: Mapping[str, Any], timestamp: str | None) -> None:
        skeleton, getters = _compile(dict.fromkeys(leaf_types, msgspec.Raw))
        self._skeleton = msgspec.json.Decoder(skeleton)
        self._timestamp = (getters[timestamp], leaf_types[timestamp]) if timestamp is not None else None
        self._values = [getter for path, getter in getters.items() if path != timestamp]

    def __call__(self, payload: bytes) -> Reason:
        try:
            msgspec.json.decode(payload, type=msgspec.Raw)
        except _DECODE_ERRORS:
            return Reason.MALFORMED
        try:
            leaves = self._skeleton.decode(payload)
        except _DECODE_ERRORS:
            return Reason.MISSING_FIELD
        if self._timestamp is not None:
            getter, leaf_type = self._timestamp
            try:
                msgspec.json.decode(getter(leaves), type=leaf_type)
            except _DECODE_ERRORS:
                return Reason.BAD_TIMESTAMP
        try:
            numeric = all(_only_numbers(msgspec.json.decode(getter(leaves))) for getter in self._values)
        except _DECODE_ERRORS:
            return Reason.MALFORMED
        return Reason.WRONG_SHAPE if numeric else Reason.MALFORMED


def _only_numbers(value: object) -> bool:
    if isinstance(value, list):
        return all(map(_only_numbers, value))
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))
