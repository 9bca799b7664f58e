"""Why a JSON payload was not decoded."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec

from monitor.core.decode.json_format.payload_struct import compile_struct
from monitor.core.values.discards import Reason

# RecursionError: arrays nested deeper than the interpreter follows. UnicodeDecodeError: a text that is not UTF-8.
DECODE_ERRORS = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


class Explainer:
    """Finds the reason why a payload was not decoded, by taking it apart step by step.

    leaf_types: of each field path that is wanted. timestamp: the path of the time, if any. keys: the paths of names.
    """

    def __init__(self, leaf_types: Mapping[str, Any], timestamp: str | None, keys: Collection[str]) -> None:
        skeleton, getters = compile_struct(dict.fromkeys(leaf_types, msgspec.Raw))
        self._skeleton = msgspec.json.Decoder(skeleton)
        self._timestamp = (getters[timestamp], leaf_types[timestamp]) if timestamp is not None else None
        self._keys = [getters[path] for path in keys]
        self._values = [getter for path, getter in getters.items() if path != timestamp and path not in keys]

    def __call__(self, payload: bytes) -> Reason:
        """Say why a payload could not be decoded."""
        try:
            msgspec.json.decode(payload, type=msgspec.Raw)
        except DECODE_ERRORS:
            return Reason.MALFORMED
        try:
            leaves = self._skeleton.decode(payload)
        except DECODE_ERRORS:
            return Reason.MISSING_FIELD
        if self._timestamp is not None and not _is_of_type(*self._timestamp, leaves):
            return Reason.BAD_TIMESTAMP
        if not all(_is_of_type(getter, str, leaves) for getter in self._keys):
            return Reason.MALFORMED
        try:
            numeric = all(_only_numbers(msgspec.json.decode(getter(leaves))) for getter in self._values)
        except DECODE_ERRORS:
            return Reason.MALFORMED
        return Reason.WRONG_SHAPE if numeric else Reason.MALFORMED


def _is_of_type(getter: Callable[[Any], Any], leaf_type: Any, leaves: Any) -> bool:
    try:
        msgspec.json.decode(getter(leaves), type=leaf_type)
    except DECODE_ERRORS:
        return False
    return True


def _only_numbers(value: object) -> bool:
    if isinstance(value, list):
        return all(map(_only_numbers, value))
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))
