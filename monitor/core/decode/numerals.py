"""Numerals: what counts as a number in text, and how many of them become numbers in bulk.

A number is a decimal numeral, as in `-12`, `21.5` or `3e-4`, with nothing but blanks around it. Words (`nan`, `inf`),
digit groups and other alphabets are refused.
"""

from collections.abc import Callable, Sequence
from itertools import chain

import msgspec
import numpy as np
from numpy.typing import NDArray

Cells = Sequence[bytes]

_NUMERAL_BYTES = b"0123456789+-.eE"
_BLANKS = b" \t\r\n"
_numbers_in_json = msgspec.json.Decoder(list[float]).decode


def convert_all(
    convert: Callable[[Cells], NDArray[np.float64]], cells: Sequence[Cells]
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


def numbers_of(cells: Cells) -> NDArray[np.float64]:
    """The numbers of cells: float64, one each.

    Raises:
        ValueError: a cell is not a numeral.

    """
    # float() knows more spellings of numbers than are admitted here
    if b"".join(cells).translate(None, _NUMERAL_BYTES + _BLANKS):
        raise ValueError("a cell is not a numeral")
    try:  # numerals as JSON has them, which most are, are read three times as fast
        numbers = _numbers_in_json(b"[%b]" % b",".join(cells))
    except msgspec.DecodeError:
        numbers = []
    if len(numbers) == len(cells):  # a single cell with nothing in it would make a list of none
        return np.array(numbers, np.float64)
    return np.fromiter(map(float, cells), dtype=np.float64, count=len(cells))


def numbers_or_missing(cells: Cells) -> NDArray[np.float64]:
    """The numbers of cells: float64, one each, NaN for an empty cell.

    Raises:
        ValueError: a cell is neither empty nor a numeral.

    """
    try:
        return numbers_of(cells)
    except ValueError:
        present = np.array([bool(cell.strip()) for cell in cells])
        if present.all():
            raise
    numbers = np.full(len(cells), np.nan)
    numbers[present] = numbers_of([cell for cell in cells if cell.strip()])
    return numbers
