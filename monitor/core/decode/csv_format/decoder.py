"""Lines of separated numbers to blocks."""

import numpy as np
from numpy.typing import NDArray

from monitor.core.decode import ragged
from monitor.core.decode.decoded import Decoded, Decoder
from monitor.core.decode.numerals import Cells, convert_all, numbers_of, numbers_or_missing
from monitor.core.decode.refusals import Refusals
from monitor.core.decode.timestamps import TimestampUnit, epoch_seconds, iso_seconds, no_time_in
from monitor.core.values.discards import Reason
from monitor.core.values.float32 import to_float32
from monitor.core.values.messages import MessageBatch


class CsvDecoder(Decoder):
    """Decodes lines of `channels` numbers. Never raises on a payload.

    skip_lines: lines before the first sample. time_column: whether the first cell of each line is its time, counted in
    `timestamp_unit`. Without times a payload is one block. With times every line is a block of its own. An empty cell
    is a missing value (NaN).
    """

    def __init__(
        self, channels: int, separator: str, skip_lines: int, *, time_column: bool, timestamp_unit: TimestampUnit
    ) -> None:
        self._separator = separator.encode()
        self._skip_lines = skip_lines
        self._time_column = time_column
        self._timestamp_unit = timestamp_unit
        self._channels = channels

    def decode(self, batch: MessageBatch) -> Decoded:
        """Decode messages of one source; see `Decoded`."""
        payloads = batch.payload
        refusals = Refusals(payloads)
        tables = [self._lines(payload) for payload in payloads]
        self._refuse_by_shape(tables, refusals)
        index = refusals.kept()
        tables = [tables[kept] for kept in index.tolist()]
        length = ragged.lengths(tables)
        seconds = np.full(len(tables), np.nan)
        timely = np.ones(len(tables), dtype=np.bool_)
        if self._time_column:
            parted = [[line.split(self._separator, 1) for line in table] for table in tables]
            seconds, timely = convert_all(self._seconds, [[time for time, _ in table] for table in parted])
            for at in np.flatnonzero(~timely).tolist():
                first = parted[at][0][0].decode("ascii", "replace").strip()
                refusals.add(int(index[at]), Reason.BAD_TIMESTAMP, no_time_in(first, self._timestamp_unit))
            tables = [[rest for _, rest in table] for table in parted]
        values, good = convert_all(
            numbers_or_missing, [self._separator.join(table).split(self._separator) for table in tables]
        )
        refusals.add_where(~good, index, Reason.MALFORMED, "a cell is not a plain number")
        good &= timely
        rows = np.repeat(good, length)
        if self._time_column:
            index, good, length = np.repeat(index, length), rows, np.ones(len(seconds), dtype=np.int64)
        return Decoded(
            payload=index[good],
            first_time_seconds=seconds[good],
            length=length[good],
            values=to_float32(values.reshape(-1, self._channels)[rows]),
            refused=refusals.as_tuple(),
        )

    def _lines(self, payload: bytes) -> list[bytes]:
        return [line for line in payload.splitlines()[self._skip_lines :] if line.strip()]

    def _refuse_by_shape(self, tables: list[list[bytes]], refusals: Refusals) -> None:
        width = self._channels + self._time_column

        def cells_in(line: bytes) -> int:
            return line.count(self._separator) + 1

        whole = ragged.all_rows_have(width, tables, cells_in)
        refusals.add_where(ragged.lengths(tables) == 0, np.arange(len(tables)), Reason.EMPTY, "no line of numbers")
        for index in np.flatnonzero(~whole).tolist():
            line = next(line for line in tables[index] if cells_in(line) != width)
            try:
                numbers_or_missing(line.split(self._separator)[self._time_column :])
            except ValueError:
                refusals.add(index, Reason.MALFORMED, "a cell is not a plain number")
            else:
                refusals.add(index, Reason.WRONG_SHAPE, f"not every line has {width} cells")

    def _seconds(self, cells: Cells) -> NDArray[np.float64]:
        if self._timestamp_unit == "iso8601":
            texts = (cell.decode("ascii").strip() for cell in cells)
            seconds = epoch_seconds(np.fromiter(map(iso_seconds, texts), dtype=np.float64, count=len(cells)), "s")
        else:
            seconds = epoch_seconds(numbers_of(cells), self._timestamp_unit)
        if np.isnan(seconds).any():
            raise ValueError
        return seconds
