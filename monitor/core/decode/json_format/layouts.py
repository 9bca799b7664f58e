"""Where the samples of a JSON payload are, and how those of many payloads become rows."""

from collections.abc import Sequence
from itertools import chain
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from monitor.core.decode import ragged

Columns = list[Sequence[Any]]  # per field path, what each payload has there

_Number = float | None
_Series = float | list[float | None] | None


class Layout(Protocol):
    """Where the samples of one payload are.

    paths: of the fields that hold them; leaf_type: what each of those fields is; expected: what is told of another.
    measure gives the samples per payload (0: none, -1: of the wrong shape); flatten the rows of all, float64 [N, C].
    """

    paths: tuple[str, ...]
    leaf_type: Any
    expected: str

    def measure(self, columns: Columns) -> NDArray[np.int64]: ...  # noqa: D102 - the class says it

    def flatten(self, columns: Columns) -> NDArray[np.float64]: ...  # noqa: D102 - likewise


class _Sample(Layout):
    """One list: a number per channel."""

    leaf_type = list[_Number]

    def __init__(self, path: str, channels: int) -> None:
        self.paths = (path,)
        self._channels = channels
        self.expected = f"not a number for each of {channels} channels"

    def measure(self, columns: Columns) -> NDArray[np.int64]:
        numbers = ragged.lengths(columns[0])
        return np.where(numbers == self._channels, 1, np.where(numbers == 0, 0, -1))

    def flatten(self, columns: Columns) -> NDArray[np.float64]:
        return ragged.flat(columns[0]).reshape(-1, self._channels)


class _Rows(Layout):
    """One list of rows: each a number per channel."""

    leaf_type = list[list[_Number]]

    def __init__(self, path: str, channels: int) -> None:
        self.paths = (path,)
        self._channels = channels
        self.expected = f"not every row has a number for each of {channels} channels"

    def measure(self, columns: Columns) -> NDArray[np.int64]:
        return np.where(ragged.all_rows_have(self._channels, columns[0]), ragged.lengths(columns[0]), -1)

    def flatten(self, columns: Columns) -> NDArray[np.float64]:
        return ragged.flat(list(chain.from_iterable(columns[0]))).reshape(-1, self._channels)


class _SeriesPerChannel(Layout):
    """Per channel one field: a number or a list over time."""

    leaf_type = _Series
    expected = "channels have different numbers of samples"

    def __init__(self, paths: tuple[str, ...]) -> None:
        self.paths = paths

    def measure(self, columns: Columns) -> NDArray[np.int64]:
        first, *others = (self._lengths(series) for series in columns)
        for other in others:
            first = np.where(first == other, first, -1)
        return first

    def flatten(self, columns: Columns) -> NDArray[np.float64]:
        return np.column_stack([self._flat(series) for series in columns])

    @staticmethod
    def _lengths(series: Sequence[Any]) -> NDArray[np.int64]:
        try:
            return ragged.lengths(series)  # as a rule all are lists, and need not be looked at one by one
        except TypeError:
            if not ragged.holds_lists(series):
                return np.ones(len(series), dtype=np.int64)
            return np.array([len(item) if isinstance(item, list) else 1 for item in series], dtype=np.int64)

    @staticmethod
    def _flat(series: Sequence[Any]) -> NDArray[np.float64]:
        try:
            return ragged.flat(series)
        except TypeError:
            if not ragged.holds_lists(series):
                return np.fromiter(series, dtype=np.float64, count=len(series))
            return ragged.flat([item if isinstance(item, list) else (item,) for item in series])


def layout_of(values: str | None, rows: str | None, fields: tuple[str, ...] | None, channels: int) -> Layout:
    """Choose the layout by which one of the field paths is given, for payloads of so many channels."""
    if rows is not None:
        return _Rows(rows, channels)
    if values is not None and channels > 1:
        return _Sample(values, channels)
    return _SeriesPerChannel(fields or (values or "",))
