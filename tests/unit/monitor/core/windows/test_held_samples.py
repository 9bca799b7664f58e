"""A sample that a sensor did not deliver is filled as a short gap is, wherever it lies, and lowers its coverage."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.artifact.manifest import WindowSpec
from monitor.core.grid.sample_grid import GridRules
from monitor.core.windows.held_samples import hold_last
from monitor.core.windows.stream_windows import StreamBlocks, StreamWindows, WindowBatch

NAN = float("nan")
LENGTH, STRIDE, MAX_GAP = 6, 3, 2


def windows_of(rows: list[list[float]], lengths: list[int], first: int = 0) -> list[WindowBatch]:
    """Feed rows of two channels in blocks of these lengths (the last one takes the rest); the windows cut."""
    windows = StreamWindows(
        2, WindowSpec(length=LENGTH, stride=STRIDE, max_gap_samples=MAX_GAP), GridRules(1.0, LENGTH)
    )
    windows.open_stream(0, [[0, 1]])
    found, start = [], 0
    for length in [*lengths, len(rows)]:
        part = np.array(rows[start : start + length], np.float32)
        if len(part):
            time = np.array([float(first + start)])
            blocks = StreamBlocks(
                np.array([0]), np.array([[0, 1]]), time, np.array([len(part)]), time + len(part), True, part
            )
            found += list(windows.feed([blocks], Counter()))
        start += length
    return found


def two(values: list[float]) -> list[list[float]]:
    """Rows of a channel with these values and of one that counts."""
    return [[value, float(at)] for at, value in enumerate(values)]


@pytest.mark.parametrize("lengths", [[], [3], [1] * 5], ids=["amid a block", "at the head of a block", "alone"])
def test_a_missing_sample_takes_the_last_value_and_lowers_the_coverage_of_its_channel(lengths: list[int]) -> None:
    (batch,) = windows_of(two([0, 1, 2, NAN, 4, 5]), lengths)
    assert batch.values[0].tolist() == [[0, 1, 2, 2, 4, 5], [0, 1, 2, 3, 4, 5]]
    assert batch.coverage.tolist() == [[pytest.approx(5 / 6), 1]]


def test_a_sample_that_is_missing_where_a_window_begins_takes_the_value_before_the_window() -> None:
    found = windows_of(two([0, 1, 2, NAN, NAN, 5, 6, 7, 8]), [1] * 9)
    assert found[-1].values[0, 0].tolist() == [2, 2, 5, 6, 7, 8]
    assert found[-1].coverage[0].tolist() == pytest.approx([4 / 6, 1])


def test_more_in_a_row_than_a_gap_may_have_stay_missing_however_they_come() -> None:
    for lengths in ([], [1] * 9, [4]):
        (first, *_) = windows_of(two([0, 1, NAN, NAN, NAN, 5]), lengths)
        assert str(first.values[0, 0].tolist()) == str([0.0, 1.0, 1.0, 1.0, NAN, 5.0])


def test_before_the_first_sample_of_a_run_there_is_nothing_to_hold() -> None:
    found = windows_of(two([NAN, 1, 2, 3, 4, 5]), [])
    assert math.isnan(found[0].values[0, 0, 0])


def test_what_was_received_before_a_long_gap_fills_nothing_after_it() -> None:
    windows = StreamWindows(1, WindowSpec(length=4, stride=4, max_gap_samples=MAX_GAP), GridRules(1.0, 4))
    windows.open_stream(0, [[0]])
    found: list[WindowBatch] = []
    for start, values in ((0.0, [7.0] * 4), (100.0, [NAN, 1.0, 2.0, 3.0])):
        time = np.array([start])
        part = np.array(values, np.float32)[:, None]
        blocks = StreamBlocks(np.array([0]), np.array([[0]]), time, np.array([4]), time + 4, True, part)
        found += list(windows.feed([blocks], Counter()))
    assert math.isnan(found[-1].values[0, 0, 0])


def test_a_gap_behind_a_missing_sample_lowers_the_coverage_once_for_each_sample() -> None:
    windows = StreamWindows(2, WindowSpec(length=6, stride=6, max_gap_samples=MAX_GAP), GridRules(1.0, 6, MAX_GAP))
    windows.open_stream(0, [[0, 1]])
    found: list[WindowBatch] = []
    for start, values in ((0.0, [[0, 0], [1, 1], [NAN, 2]]), (4.0, [[4, 4], [5, 5]])):
        time, length = np.array([start]), np.array([len(values)])
        part = np.array(values, np.float32)
        blocks = StreamBlocks(np.array([0]), np.array([[0, 1]]), time, length, time + length, True, part)
        found += list(windows.feed([blocks], Counter()))
    (batch,) = found
    assert batch.values[0].tolist() == [[0, 1, 1, 1, 4, 5], [0, 1, 2, 2, 4, 5]]
    assert batch.coverage[0].tolist() == pytest.approx([4 / 6, 5 / 6])


def test_a_gap_of_one_channel_group_leaves_the_coverage_of_the_others() -> None:
    windows = StreamWindows(2, WindowSpec(length=6, stride=6), GridRules(1.0, 6, lateness_samples=10))
    windows.open_stream(0, [[0], [1]])
    found: list[WindowBatch] = []
    for at in range(6):
        for channel in (0, 1) if at not in (2, 3) else (0,):
            time = np.array([float(at)])
            blocks = StreamBlocks(
                np.array([channel]), np.array([[channel]]), time, np.array([1]), time, True, np.ones((1, 1), np.float32)
            )
            found += list(windows.feed([blocks], Counter()))
    assert found[0].coverage.tolist() == [[1, pytest.approx(4 / 6)]]


@given(st.lists(st.one_of(st.just(NAN), st.floats(-9, 9, width=32)), min_size=3, max_size=20), st.integers(0, 3))
def test_a_value_is_held_for_at_most_so_many_samples(values: list[float], most: int) -> None:
    filled, missing = hold_last(np.array([[values]], np.float32), 2, most)
    expected, last, age = [], NAN, 0
    for value in values:
        last, age = (value, 0) if not math.isnan(value) else (last, age + 1)
        expected.append(last if age <= most else NAN)
    np.testing.assert_array_equal(filled[0, 0], np.array(expected[2:], np.float32))
    assert missing[0, 0] == sum(math.isnan(value) for value in values[2:])
