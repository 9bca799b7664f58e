"""The line buffer gives each stream its windows by time, and thins evenly where too many wait."""

import numpy as np

from monitor.core.history.line_buffer import LineBuffer
from monitor.core.history.score_line import ScoreLine


def line_of(ends: list[float], score: float = 0.5) -> ScoreLine:
    zeros = np.zeros(len(ends), np.int8)
    return ScoreLine(np.array(ends), np.full(len(ends), score, np.float32), zeros, zeros)


def test_each_stream_gets_its_windows_by_time() -> None:
    buffer = LineBuffer()
    buffer.add(np.array([3, 1, 3]), line_of([2.0, 1.0, 3.0]))
    buffer.add(np.array([1, 3]), line_of([2.0, 1.0]))
    assert buffer.windows == 5
    taken, left_out = buffer.take(100)
    assert left_out == 0
    assert [(number, line.ends_seconds.tolist()) for number, line in taken] == [(1, [1.0, 2.0]), (3, [1.0, 2.0, 3.0])]
    assert buffer.take(100) == ([], 0)


def test_where_too_many_wait_those_above_the_threshold_and_an_even_part_of_the_others_stay() -> None:
    buffer = LineBuffer()
    buffer.add(np.repeat([0, 1], 500), line_of([*range(500), *range(500)]))
    buffer.add(np.array([0, 1]), line_of([600.0, 601.0], score=1.5))
    buffer.add(np.array([1]), line_of([602.0], score=float("nan")))
    taken, left_out = buffer.take(100)
    lines = dict(taken)
    assert left_out == 1003 - sum(map(len, lines.values()))
    assert sum(map(len, lines.values())) <= 100 + 3
    assert {600.0} <= set(lines[0].ends_seconds.tolist())
    assert {601.0, 602.0} <= set(lines[1].ends_seconds.tolist())
    assert np.diff(lines[0].ends_seconds[:-1]).max() <= 11
    assert len(lines[1]) >= 45
