"""Arrays grow without losing what they hold."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.values.growable import grown


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


_GROW = """
import numpy as np
from pathlib import Path
from monitor.adapters.engines.allocator import keep_freed_memory
from monitor.core.values.growable import grown

def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

keep_freed_memory()
array, before = np.zeros((0, 1000), np.float32), resident_bytes()
for rows in range(1, 4001):
    array = grown(array, rows, 0)
    array[rows - 1] = 1.0
print(resident_bytes() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_an_array_outgrew_is_given_back_though_the_process_keeps_what_it_frees() -> None:
    done = subprocess.run([sys.executable, "-c", _GROW], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 1.4 * 4000 * 1000 * 4
