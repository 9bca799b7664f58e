"""How a source's payloads are laid out. Formats are settings, never guesses.

One class per kind; `kind` selects it. All of them produce the same thing: rows of samples, one column per channel of
the source (one column where the topic names the channel), and the time of the first row if the payload carries one.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

# A key is any text without the separator and without what JSON would have to escape.
_KEY = r'[^."\\\x00-\x1f]+'
FieldPath = Annotated[str, Field(pattern=rf"^{_KEY}(\.{_KEY})*$", description="keys joined by dots, e.g. `data.ts`")]
TimestampUnit = Literal["s", "ms", "us", "ns", "iso8601"]


class _Format(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class JsonFormat(_Format):
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

    @model_validator(mode="after")
    def _exactly_one_place(self) -> "JsonFormat":
        given = [name for name in ("values", "rows", "fields") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of `values`, `rows`, `fields` (given: {', '.join(given) or 'none'})")
        return self

    @model_validator(mode="after")
    def _paths_are_apart(self) -> "JsonFormat":
        places = [path for path in (self.values, self.rows, *(self.fields or ())) if path is not None]
        paths = [*places, *([] if self.timestamp is None else [self.timestamp])]
        for path in paths:
            inside = [other for other in paths if other.startswith(f"{path}.")]
            if inside:
                raise ValueError(f"field `{path}` cannot hold a value and also the field `{inside[0]}`")
        if self.timestamp in places:
            raise ValueError(f"field `{self.timestamp}` cannot be the timestamp and also a value")
        return self


class NumberFormat(_Format):
    """The payload is one plain number as text, e.g. `21.5`. It carries no timestamp."""

    kind: Literal["number"]
    """What makes it this format."""


class CsvFormat(_Format):
    """Lines of separated numbers, a column per channel, one line per sample."""

    kind: Literal["csv"]
    """What makes it this format."""

    separator: Annotated[str, Field(min_length=1, max_length=1)] = ","
    """One character."""

    time_column: bool = False
    """Whether the first column is each line's time."""

    timestamp_unit: TimestampUnit = "s"
    """Since 1970 in UTC, or ISO 8601 as text."""

    skip_lines: Annotated[int, Field(ge=0, le=10)] = 0
    """Lines before the first sample, such as a header."""


class BinaryFormat(_Format):
    """Packed samples: `value = raw * scale + offset`. It carries no timestamp."""

    kind: Literal["binary"]
    """What makes it this format."""

    encoding: Literal["f32", "f64", "i16"]
    """Floating point of 32 or 64 bits, or signed integers of 16 bits."""

    byte_order: Literal["little", "big"] = "little"
    """Of each number."""

    layout: Literal["interleaved", "planar"] = "interleaved"
    """`interleaved` is a b c a b c …, `planar` is a a … b b … c c …"""

    scale: float = Field(default=1.0, allow_inf_nan=False)
    """Units per count, e.g. g per LSB."""

    offset: float = Field(default=0.0, allow_inf_nan=False)
    """Added after scaling."""


Format = Annotated[JsonFormat | NumberFormat | CsvFormat | BinaryFormat, Field(discriminator="kind")]
