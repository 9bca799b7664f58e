"""How lines of separated numbers are laid out."""

from typing import Annotated, Literal

from pydantic import Field

from monitor.core.decode.csv_format.decoder import CsvDecoder
from monitor.core.decode.decoded import Decoder
from monitor.core.decode.payload_format import PayloadFormat
from monitor.core.decode.timestamps import TimestampUnit


class CsvFormat(PayloadFormat):
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

    @property
    def carries_time(self) -> bool:
        """Whether lines begin with their time."""
        return self.time_column

    def decoder(self, channels: int) -> Decoder:
        """Make a decoder of lines with so many numbers, beside the time."""
        return CsvDecoder(
            channels,
            self.separator,
            self.skip_lines,
            time_column=self.time_column,
            timestamp_unit=self.timestamp_unit,
        )
