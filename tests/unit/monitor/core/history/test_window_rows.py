"""Windows join to the samples that they were cut from, each sample once."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.history.score_line import ScoreLine
from monitor.core.history.window_rows import WindowRows, consecutive

PERIOD = 0.25
START = 1.7e9


def rows_of(ends: list[int], length: int) -> WindowRows:
    """Windows that end with these samples; a sample's value is its number, in a second channel with minus."""
    at = np.array(ends)[:, None] - np.arange(length - 1, -1, -1)
    values = np.stack([at, -at], axis=1).astype(np.float32)
    zeros = np.zeros(len(ends), np.int8)
    return WindowRows(ScoreLine(START + np.array(ends) * PERIOD, zeros.astype(np.float32), zeros, zeros), values)


@given(st.integers(2, 12), st.lists(st.integers(1, 60), max_size=12))
def test_what_windows_share_is_held_once_and_what_none_covers_is_missing(length: int, steps: list[int]) -> None:
    ends = [length - 1, *(length - 1 + np.cumsum(steps)).astype(int).tolist()]
    covered = {sample for end in ends for sample in range(end - length + 1, end + 1)}
    seen: list[int] = []
    windows = 0
    for found in consecutive(rows_of(ends, length), PERIOD):
        numbers = np.rint((found.start_seconds - START) / PERIOD).astype(int) + np.arange(found.values.shape[1])
        there = ~np.isnan(found.values[0])
        np.testing.assert_array_equal(found.values[0][there], numbers[there])
        np.testing.assert_array_equal(found.values[1][there], -numbers[there])
        assert there.tolist() == [number in covered for number in numbers.tolist()]
        seen += numbers[there].tolist()
        windows += len(found.line)
    assert seen == sorted(covered)
    assert windows == len(ends)


@given(st.integers(1, 8), st.integers(2, 20), st.integers(0, 40))
def test_what_is_held_elsewhere_is_left_out_with_its_windows(stride: int, count: int, after: int) -> None:
    length = 8
    ends = [length - 1 + stride * number for number in range(count)]
    found = list(consecutive(rows_of(ends, length), PERIOD, START + after * PERIOD))
    if after >= ends[-1]:
        assert found == []
        return
    (only,) = found
    first = round((only.start_seconds - START) / PERIOD)
    assert first == after + 1
    assert only.values[0].tolist() == list(range(first, ends[-1] + 1))
    assert len(only.line) == sum(end > after for end in ends)


def test_a_step_back_and_a_long_gap_end_a_stretch_and_a_short_gap_is_missing() -> None:
    assert len(list(consecutive(rows_of([7, 11, 9, 13], 8), PERIOD))) == 2
    assert len(list(consecutive(rows_of([7, 24], 8), PERIOD))) == 2
    (only,) = consecutive(rows_of([7, 23], 8), PERIOD)
    assert np.isnan(only.values[0]).tolist() == [False] * 8 + [True] * 8 + [False] * 8


def test_nothing_joins_to_nothing() -> None:
    assert list(consecutive(rows_of([7], 8).select(slice(0, 0)), PERIOD)) == []
