"""Arrays grow without losing what they hold."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.growing import grown


@pytest.mark.parametrize("fill", [0, 0.0, 1.5, math.nan, math.inf])
@given(wishes=st.lists(st.integers(0, 60), max_size=6), columns=st.integers(0, 3))
def test_rows_keep_their_values_and_new_ones_hold_the_fill(fill: float, wishes: list[int], columns: int) -> None:
    array, filled = np.zeros((0, columns), np.float32), 0
    for rows in wishes:
        array = grown(array, rows, fill)
        assert len(array) >= rows
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array[filled:], np.float32(fill))
        np.testing.assert_array_equal(array[:filled], 7)
        array[:rows] = 7
        filled = max(filled, rows)


def test_an_array_with_room_is_left_as_it_is() -> None:
    array = np.ones(5)
    assert grown(array, 5, 0) is array


def test_adding_one_row_at_a_time_copies_seldom() -> None:
    array, copies = np.zeros(0), 0
    for rows in range(10_000):
        larger = grown(array, rows, 0)
        copies += larger is not array
        array = larger
    assert copies < 15
