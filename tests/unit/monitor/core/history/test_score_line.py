"""Score lines are joined by time, and a window that was written twice counts once."""

import numpy as np

from monitor.core.history.score_line import ScoreLine


def line_of(*ends: float) -> ScoreLine:
    count = len(ends)
    zeros = np.zeros(count, np.int8)
    return ScoreLine(np.array(ends), np.array(ends, np.float32), zeros, zeros)


def test_lines_are_joined_by_time_and_windows_that_came_twice_count_once() -> None:
    found = ScoreLine.join([line_of(3.0, 4.0, 5.0), line_of(1.0, 2.0, 3.0)])
    assert found.ends_seconds.tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert found.score.tolist() == found.ends_seconds.tolist()


def test_no_line_is_an_empty_one_and_both_ends_of_a_time_count() -> None:
    assert len(ScoreLine.join([])) == 0
    assert line_of(1.0, 2.0, 3.0, 4.0).between(2.0, 3.0).ends_seconds.tolist() == [2.0, 3.0]
