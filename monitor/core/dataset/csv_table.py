"""CSV tables: a header, a `time` column, and columns of numbers, as text in a file.

Cells are separated by commas. An empty cell is a missing value; blank lines count for nothing.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from monitor.core.decode.timestamps import iso_seconds

_ROWS_AT_ONCE = 65_536  # bounds how many cells exist as Python texts at one time


class TableError(ValueError):
    """The text is no such table; the message names the row and says what would be right."""


def parse_table(data: bytes) -> dict[str, NDArray[np.float64]]:
    """Parse a table into its columns, in order: float64 [n] each, NaN where a cell is empty, `time` in seconds.

    Raises:
        TableError: not a table, no `time` column, a cell that is neither number nor (in `time`) an ISO 8601 time.

    """
    try:
        text = data.decode("utf-8-sig")  # spreadsheets put a byte order mark in front
    except UnicodeDecodeError as error:
        raise TableError(f"not UTF-8 text (byte {error.start})") from None
    reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True)
    parts: list[NDArray[np.float64]] = []
    try:
        header = [title.strip() for title in next(reader, [])]
        _check_header(header)
        rows_before = 0
        for rows in _batches(reader):
            parts.append(_columns(header, rows, rows_before))
            rows_before += len(rows)
    except csv.Error as error:
        raise TableError(f"line {reader.line_num}: {error}") from None
    if not parts:
        raise TableError("the file has a header but no rows")
    return dict(zip(header, np.concatenate(parts, axis=1), strict=True))


def _check_header(header: list[str]) -> None:
    if len(header) == 1 and (found := next((mark for mark in ";\t|" if mark in header[0]), None)):
        raise TableError(
            f"columns are separated by {found!r}: write the file with commas (and decimal points, not decimal commas)"
        )
    if "time" not in header:
        raise TableError(
            f"no `time` column (columns: {', '.join(header[:12]) or 'none'}): "
            "name the column that holds ISO 8601 times or epoch seconds `time`"
        )
    if twice := [title for title in header if header.count(title) > 1]:
        raise TableError(f"two columns are named {twice[0]!r}")


def _batches(reader: Iterator[list[str]]) -> Iterator[list[list[str]]]:
    not_blank = filter(None, reader)
    while rows := list(islice(not_blank, _ROWS_AT_ONCE)):
        yield rows


def _columns(header: list[str], rows: list[list[str]], rows_before: int) -> NDArray[np.float64]:
    for number, row in enumerate(rows, start=rows_before + 1):
        if len(row) != len(header):
            raise TableError(f"row {number} has {len(row)} cells, the header has {len(header)}")
    return np.stack(
        [
            (_times if title == "time" else _numbers)(title, cells, rows_before)
            for title, cells in zip(header, zip(*rows, strict=True), strict=True)
        ]
    )


def _numbers(title: str, cells: Sequence[str], rows_before: int) -> NDArray[np.float64]:
    try:
        if "_" not in "".join(cells):  # Python's own digit grouping: no number elsewhere
            return np.fromiter(map(float, cells), dtype=np.float64, count=len(cells))
    except ValueError:
        pass  # an empty cell, or one that is to be named
    numbers = np.full(len(cells), np.nan)
    for index, cell in enumerate(map(str.strip, cells)):
        try:
            numbers[index] = float(cell.replace("_", "?") or "nan")
        except ValueError:
            number = rows_before + index + 1
            raise TableError(f"row {number}, column {title!r}: {cell[:40]!r} is not a number") from None
    return numbers


def _times(title: str, cells: Sequence[str], rows_before: int) -> NDArray[np.float64]:
    try:
        float(cells[0])
    except ValueError:
        pass
    else:
        return _numbers(title, cells, rows_before)
    seconds = np.empty(len(cells))
    for index, cell in enumerate(cells):
        try:
            seconds[index] = iso_seconds(cell.strip())
        except ValueError:
            raise TableError(
                f"row {rows_before + index + 1}, column {title!r}: {cell[:40]!r} is neither an ISO 8601 time, "
                "e.g. 2026-01-31T12:00:00.5Z, nor epoch seconds"
            ) from None
    return seconds
