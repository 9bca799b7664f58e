"""JSON payloads to blocks.

The field paths are compiled once into a typed decoder, so that a payload costs one call into C, and a run of payloads
is flattened and checked in bulk. Only where that fails are payloads looked at one by one, to find the culprits.
Nothing is guessed: a text or a boolean is never taken for a number, `null` is a missing value (NaN).
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.core.decode.decoded import Decoded, Decoder
from monitor.core.decode.json_format.explainer import DECODE_ERRORS, Explainer
from monitor.core.decode.json_format.layouts import Columns, Layout
from monitor.core.decode.json_format.payload_struct import compile_struct
from monitor.core.decode.refusals import Refusals
from monitor.core.decode.timestamps import TimestampUnit, epoch_seconds, iso_seconds, no_time_in
from monitor.core.values.discards import Reason
from monitor.core.values.float32 import to_float32
from monitor.core.values.messages import MessageBatch


class JsonDecoder(Decoder):
    """Decodes JSON objects. Never raises on a payload.

    layout: where the samples are. timestamp: the field path of the time of the first sample, counted in
    `timestamp_unit`; None: payloads carry none. keys: field paths of texts, by placeholder.
    """

    def __init__(
        self, layout: Layout, timestamp: str | None, timestamp_unit: TimestampUnit, keys: Mapping[str, str]
    ) -> None:
        self._timestamp_unit = timestamp_unit
        self._timestamp = timestamp
        self._layout = layout
        leaf_types: dict[str, Any] = dict.fromkeys(layout.paths, layout.leaf_type)
        leaf_types |= dict.fromkeys(keys.values(), str)
        if timestamp is not None:
            leaf_types[timestamp] = str if timestamp_unit == "iso8601" else float
        struct, getters = compile_struct(leaf_types)
        self._parse: Callable[[bytes], Any] = msgspec.json.Decoder(struct).decode
        self._getters = [getters[path] for path in layout.paths]
        self._get_timestamp = getters[timestamp] if timestamp is not None else None
        self._get_keys = {name: getters[path] for name, path in keys.items()}
        self._explain = Explainer(leaf_types, timestamp, keys.values())

    def decode(self, batch: MessageBatch) -> Decoded:
        """Decode messages of one source; see `Decoded`."""
        refusals = Refusals(batch.payload)
        try:
            parsed = list(map(self._parse, batch.payload))
        except DECODE_ERRORS:
            parsed = self._parse_singly(batch.payload, refusals)
        index = refusals.kept()
        first_time_seconds = self._times(parsed)
        columns = self._columns(parsed)
        length = self._layout.measure(columns)
        bad_time = np.isnan(first_time_seconds) & (self._timestamp is not None)
        good = (length > 0) & ~bad_time
        if not good.all():
            if self._get_timestamp is not None:
                for at in np.flatnonzero(bad_time).tolist():
                    excuse = no_time_in(self._get_timestamp(parsed[at]), self._timestamp_unit)
                    refusals.add(int(index[at]), Reason.BAD_TIMESTAMP, excuse)
            refusals.add_where(length == 0, index, Reason.EMPTY, "no sample")
            refusals.add_where(length < 0, index, Reason.WRONG_SHAPE, self._layout.expected)
            parsed = [parsed[kept] for kept in np.flatnonzero(good).tolist()]
            columns = self._columns(parsed)
            index, first_time_seconds, length = index[good], first_time_seconds[good], length[good]
        values = to_float32(self._layout.flatten(columns))
        keys = {name: list(map(getter, parsed)) for name, getter in self._get_keys.items()}
        return Decoded(index, first_time_seconds, length, values, refusals.as_tuple(), keys or None)

    def _columns(self, parsed: list[Any]) -> Columns:
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
            except DECODE_ERRORS as error:
                refusals.add(index, self._explain(payload), str(error))
        return parsed


def _iso_seconds_or_nan(text: str) -> float:
    try:
        return iso_seconds(text)
    except ValueError:
        return np.nan
