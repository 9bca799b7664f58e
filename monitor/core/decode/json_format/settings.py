"""How JSON payloads are laid out."""

import re
from typing import Annotated, Literal

from pydantic import Field, model_validator

from monitor.core.decode.decoded import Decoder
from monitor.core.decode.json_format.decoder import JsonDecoder
from monitor.core.decode.json_format.layouts import layout_of
from monitor.core.decode.payload_format import PayloadFormat
from monitor.core.decode.timestamps import TimestampUnit

# A key is any text without the separator and without what JSON would have to escape.
_KEY = r'[^."\\\x00-\x1f]+'
FieldPath = Annotated[str, Field(pattern=rf"^{_KEY}(\.{_KEY})*$", description="keys joined by dots, e.g. `data.ts`")]
_PLACEHOLDER = re.compile(r"[a-z][a-z0-9_]*")


class JsonFormat(PayloadFormat):
    """A JSON object. Exactly one of `values`, `rows`, `fields` says where the samples are.

    Fields are named by their path, with dots between keys: `data.ts` is `ts` inside `data`.
    """

    kind: Literal["json"]
    """What makes it this format."""

    timestamp: FieldPath | None = None
    """Field with the time of the first sample; left out, samples count from their arrival."""

    timestamp_unit: TimestampUnit = "s"
    """Since 1970 in UTC, or ISO 8601 as text."""

    values: FieldPath | None = None
    """One field with a number per channel (one sample), or a number where the topic names the channel, or an array
    over time where there is one channel."""

    rows: FieldPath | None = None
    """One field with an array of rows, each row a number per channel (many samples)."""

    fields: tuple[FieldPath, ...] | None = None
    """One field per channel, in channel order, each a number (one sample) or an array (many samples)."""

    keys: Annotated[dict[str, FieldPath], Field(min_length=1)] | None = None
    """Text fields that name the stream as placeholders of the topic do, e.g. `{ device = "meta.id" }`; `channel` names
    the channel. Placeholders of the topic are not repeated here."""

    @model_validator(mode="after")
    def _exactly_one_place(self) -> "JsonFormat":
        given = [name for name in ("values", "rows", "fields") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of `values`, `rows`, `fields` (given: {', '.join(given) or 'none'})")
        return self

    @model_validator(mode="after")
    def _keys_are_placeholders(self) -> "JsonFormat":
        for name in self.key_names:
            if not _PLACEHOLDER.fullmatch(name):
                raise ValueError(f"key {name!r} is no placeholder: lower-case letters, digits and _, a letter first")
        return self

    @model_validator(mode="after")
    def _paths_are_apart(self) -> "JsonFormat":
        places = [path for path in (self.values, self.rows, *(self.fields or ())) if path is not None]
        times = [] if self.timestamp is None else [self.timestamp]
        keys = tuple((self.keys or {}).values())
        paths = [*places, *times, *keys]
        for path in paths:
            inside = [other for other in paths if other.startswith(f"{path}.")]
            if inside:
                raise ValueError(f"field `{path}` cannot hold a value and also the field `{inside[0]}`")
        if self.timestamp in places:
            raise ValueError(f"field `{self.timestamp}` cannot be the timestamp and also a value")
        taken = [path for path in keys if path in (*places, *times)]
        if taken:
            raise ValueError(f"field `{taken[0]}` cannot be a key and also a value or the timestamp")
        return self

    @property
    def carries_time(self) -> bool:
        """Whether there is a field with the time."""
        return self.timestamp is not None

    @property
    def key_names(self) -> tuple[str, ...]:
        """The placeholders that fields of the payload give values for."""
        return tuple(self.keys or ())

    def misfit(self, columns: int) -> str | None:
        """Say whether there are other than so many `fields`."""
        if self.fields is not None and len(self.fields) != columns:
            return f"fields: has {len(self.fields)} fields, needs {columns}"
        return None

    def decoder(self, channels: int) -> Decoder:
        """Make a decoder of payloads with so many columns."""
        layout = layout_of(self.values, self.rows, self.fields, channels)
        return JsonDecoder(layout, self.timestamp, self.timestamp_unit, self.keys or {})
