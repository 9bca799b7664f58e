"""Ragged lists: what comes out of text formats, one list per payload, measured and flattened in bulk."""

from collections.abc import Callable, Sequence, Sized
from itertools import chain, repeat
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

_Row = TypeVar("_Row", bound=Sized)


def lengths(lists: Sequence[Sequence[object]]) -> NDArray[np.int64]:
    """How long each list is: int64 [M]."""
    return np.fromiter(map(len, lists), dtype=np.int64, count=len(lists))


def all_rows_have(
    width: int, lists: Sequence[Sequence[_Row]], cells_in: Callable[[_Row], int] = len
) -> NDArray[np.bool_]:
    """Whether every row in each list of rows has `width` cells, counted by `cells_in`: bool [M]."""
    counts = lengths(lists)
    right = np.fromiter(map(cells_in, chain.from_iterable(lists)), dtype=np.int64, count=int(counts.sum())) == width
    whole = np.ones(len(lists), dtype=np.bool_)
    if not right.all():
        whole[np.repeat(np.arange(len(lists)), counts)[~right]] = False
    return whole


def flat(lists: Sequence[Sequence[float | None]]) -> NDArray[np.float64]:
    """All numbers one after another: float64, NaN for None."""
    return np.fromiter(chain.from_iterable(lists), dtype=np.float64, count=sum(map(len, lists)))


def holds_lists(items: Sequence[object]) -> bool:
    """Whether any item is a list."""
    return any(map(isinstance, items, repeat(list)))
