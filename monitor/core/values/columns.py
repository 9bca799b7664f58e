"""Columns: what is known of many streams, as arrays with one row for each stream (or for each of its channel groups).

A class says once which columns it has; they are plain numpy arrays under the names of its attributes. `Columns` makes
them grow by doubling, gives a stream fresh rows, and turns the rows of streams into a state and back. In a state a
column has the name that was declared, whatever its attribute is called: a file that was written before a renaming can
be read after it.
"""

import math
import mmap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from monitor.core.values.channel_groups import ChannelGroups, Ints
from monitor.core.values.snapshots import State, StateError, array_in

# From this size on an array gets memory of its own, straight from the system: what it has not used yet costs nothing,
# and what it outgrew is given back, though the process may keep what it frees (`adapters/engines/allocator.py`).
_OWN_MEMORY_BYTES = 256 * 1024
_LEAST_STREAMS = 16


@dataclass(frozen=True, slots=True)
class Column:
    """One array. The fields are those of `column`."""

    name: str | None
    dtype: np.dtype[Any]
    initial: float
    shape: tuple[str, ...]
    by_channel_group: bool


def column(
    name: str | None,
    dtype: DTypeLike,
    initial: float = 0,
    *,
    shape: tuple[str, ...] = (),
    by_channel_group: bool = False,
) -> Any:
    """Declare an array, in the body of a class.

    name: in states; None: it is not part of a state, because it follows from what is, or begins anew. initial: what new
    rows hold. shape: of one row, each size by its name. by_channel_group: there is a row for each channel of each
    stream, found by `ChannelGroups`; otherwise one for each stream.
    """
    return Column(name, np.dtype(dtype), initial, shape, by_channel_group)


class Columns:
    """Base of classes that declare columns.

    channel_groups: where there are columns by channel group. sizes: by the names that the columns' shapes use.
    """

    _columns: ClassVar[Mapping[str, Column]] = {}  # by attribute

    def __init_subclass__(cls) -> None:
        own = {attribute: each for attribute, each in vars(cls).items() if isinstance(each, Column)}
        cls._columns = {**cls._columns, **own}
        for attribute in own:  # or each look at an array would find the declaration first
            delattr(cls, attribute)

    def __init__(self, channel_groups: ChannelGroups | None = None, **sizes: int) -> None:
        self._groups = channel_groups or ChannelGroups(1)
        self._sizes = sizes
        self._allocate(0)

    @property
    def capacity(self) -> int:
        """For how many streams there is room."""
        return self._capacity

    def ensure_capacity(self, streams: int) -> bool:
        """Make room for so many streams. Returns whether the arrays are others now."""
        if streams <= self._capacity:
            return False
        self._allocate(max(streams, 2 * self._capacity, _LEAST_STREAMS), keep=True)
        return True

    def resize(self, **sizes: int) -> None:
        """Give rows another shape. All that the columns hold is lost."""
        self._sizes |= sizes
        self._allocate(self._capacity)

    def reset(self, stream: int) -> None:
        """Let a stream's rows hold what new ones hold."""
        rows = self._groups.of_stream(stream)
        for attribute, each in self._columns.items():
            getattr(self, attribute)[rows if each.by_channel_group else stream] = each.initial

    def snapshot(self, streams: Ints) -> State:
        """Copies of the rows of these streams, by column. streams: int64 [T]."""
        self.ensure_capacity(int(streams.max(initial=-1)) + 1)
        return {
            each.name: getattr(self, attribute)[self._rows(each, streams)]
            for attribute, each in self._columns.items()
            if each.name is not None
        }

    def check(self, state: object, count: int) -> None:
        """See whether a state holds the rows of `count` streams.

        Raises:
            StateError: it does not.

        """
        for each in self._columns.values():
            if each.name is not None:
                rows = count * self._groups.channels if each.by_channel_group else count
                array_in(state, each.name, each.dtype, (rows, *self._shape(each)))

    def restore(self, streams: Ints, state: State) -> None:
        """Give these streams the rows of a state that passes `check`. streams: int64 [T]."""
        self.ensure_capacity(int(streams.max(initial=-1)) + 1)
        for attribute, each in self._columns.items():
            if each.name is not None:
                getattr(self, attribute)[self._rows(each, streams)] = state[each.name]

    def schema(self) -> list[Any]:
        """What a state is made of, as plain values: names, types, names of the sizes."""
        return [
            [each.name, each.dtype.str, list(each.shape), each.by_channel_group]
            for each in self._columns.values()
            if each.name is not None
        ]

    def _rows(self, each: Column, streams: Ints) -> Ints:
        return self._groups.of_streams(streams) if each.by_channel_group else streams

    def _shape(self, each: Column) -> tuple[int, ...]:
        return tuple(self._sizes[size] for size in each.shape)

    def _allocate(self, streams: int, *, keep: bool = False) -> None:
        # in an order that suits a scrape, which looks from another thread: an array takes another's place when it is
        # filled, and the capacity tells of rows when all arrays have them
        for attribute, each in self._columns.items():
            rows = streams * self._groups.channels if each.by_channel_group else streams
            array = _zeros((rows, *self._shape(each)), each.dtype)
            if each.initial != 0:
                array[:] = each.initial
            if keep:
                before = getattr(self, attribute)
                array[: len(before)] = before
            setattr(self, attribute, array)
        self._capacity = streams


def in_range(array: NDArray[Any], low: int, high: int) -> None:
    """See whether all numbers are between two others, those included. array: numbers [...] of any shape.

    Raises:
        StateError: they are not.

    """
    if ((array < low) | (array > high)).any():
        raise StateError(f"numbers out of range {low}…{high}")


def _zeros(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    size = math.prod(shape) * dtype.itemsize
    if size < _OWN_MEMORY_BYTES:
        return np.zeros(shape, dtype)
    return np.frombuffer(mmap.mmap(-1, size), dtype).reshape(shape)
