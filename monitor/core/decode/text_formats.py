"""Plain text payloads to blocks: one number, or lines of separated numbers.

A number is a decimal numeral, as in `-12`, `21.5` or `3e-4`, with nothing but blanks around it. Words (`nan`, `inf`),
digit groups and other alphabets are refused. In a line an empty cell is a missing value (NaN).
"""

from collections.abc import Callable, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from monitor.core.decode import ragged
from monitor.core.decode.decoded import Decoded
from monitor.core.decode.formats import CsvFormat
from monitor.core.decode.refusals import Refusals
from monitor.core.decode.timestamps import epoch_seconds, iso_seconds
from monitor.core.values.discards import Reason
from monitor.core.values.float32 import to_float32

_NUMERAL_BYTES = b"0123456789+-.eE"
_BLANKS = b" \t\r\n"

_Cells = Sequence[bytes]


class NumberDecoder:
    """Decodes payloads that are one plain number each. Never raises on a payload."""

    def decode(self, payloads: list[bytes]) -> Decoded:
        """Decode payloads of one source; see `Decoded`."""
        refusals = Refusals(payloads)
        numbers, good = _convert(_numbers, list(zip(payloads, strict=True)))
        refusals.add_where(~good, np.arange(len(payloads)), Reason.MALFORMED, "not a plain number")
        index = np.flatnonzero(good)
        return Decoded(
            payload=index,
            first_time_seconds=np.full(len(index), np.nan),
            length=np.ones(len(index), dtype=np.int64),
            values=to_float32(numbers[good].reshape(-1, 1)),
            refused=refusals.as_tuple(),
        )


class CsvDecoder:
    """Decodes lines of numbers by a `CsvFormat` for `channels` channels. Never raises on a payload.

    Without times a payload is one block. With a time column every line is a block of its own, with its own time.
    """

    def __init__(self, settings: CsvFormat, channels: int) -> None:
        self._separator = settings.separator.encode()
        self._skip_lines = settings.skip_lines
        self._time_column = settings.time_column
        self._timestamp_unit = settings.timestamp_unit
        self._channels = channels

    def decode(self, payloads: list[bytes]) -> Decoded:
        """Decode payloads of one source; see `Decoded`."""
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
            seconds, timely = _convert(self._seconds, [[time for time, _ in table] for table in parted])
            refusals.add_where(~timely, index, Reason.BAD_TIMESTAMP, f"no believable time in {self._timestamp_unit}")
            tables = [[rest for _, rest in table] for table in parted]
        values, good = _convert(
            _numbers_or_missing, [self._separator.join(table).split(self._separator) for table in tables]
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
                _numbers_or_missing(line.split(self._separator)[self._time_column :])
            except ValueError:
                refusals.add(index, Reason.MALFORMED, "a cell is not a plain number")
            else:
                refusals.add(index, Reason.WRONG_SHAPE, f"not every line has {width} cells")

    def _seconds(self, cells: _Cells) -> NDArray[np.float64]:
        if self._timestamp_unit == "iso8601":
            texts = (cell.decode("ascii").strip() for cell in cells)
            seconds = epoch_seconds(np.fromiter(map(iso_seconds, texts), dtype=np.float64, count=len(cells)), "s")
        else:
            seconds = epoch_seconds(_numbers(cells), self._timestamp_unit)
        if np.isnan(seconds).any():
            raise ValueError
        return seconds


def _convert(
    convert: Callable[[_Cells], NDArray[np.float64]], cells: Sequence[_Cells]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Convert the cells of all payloads: float64, one number per cell; and which payloads are good: bool [M].

    In one go where all are good; payload by payload where one is not, with NaN for the cells of a bad one.
    """
    try:
        return convert(list(chain.from_iterable(cells))), np.ones(len(cells), dtype=np.bool_)
    except ValueError:
        pass
    parts: list[NDArray[np.float64]] = []
    good = np.ones(len(cells), dtype=np.bool_)
    for index, some in enumerate(cells):
        try:
            parts.append(convert(some))
        except ValueError:
            parts.append(np.full(len(some), np.nan))
            good[index] = False
    return np.concatenate(parts), good


def _numbers(cells: _Cells) -> NDArray[np.float64]:
    # float() knows more spellings of numbers than are admitted here
    if b"".join(cells).translate(None, _NUMERAL_BYTES + _BLANKS):
        raise ValueError
    return np.fromiter(map(float, cells), dtype=np.float64, count=len(cells))


def _numbers_or_missing(cells: _Cells) -> NDArray[np.float64]:
    try:
        return _numbers(cells)
    except ValueError:
        present = np.array([bool(cell.strip()) for cell in cells])
        if present.all():
            raise
    numbers = np.full(len(cells), np.nan)
    numbers[present] = _numbers([cell for cell in cells if cell.strip()])
    return numbers
