"""The best batch is measured: the smallest of those that score nearly as many windows per second as the best."""

import time
from collections.abc import Callable

import numpy as np
import pytest

from monitor.adapters.engines.batch_tuning import SIZES, WORTH, busy_clock, fastest_batch, warm_up
from monitor.core.values.scorer import Floats32, ScoreBatch

WINDOWS = np.zeros((3, 2, 8), np.float32)
CENTRE = np.zeros((3, 2), np.float32)
SCALE = np.ones((3, 2), np.float32)


class TimedScorer:
    """A scorer whose calls take as long as `cost` says of their size, on a clock of its own."""

    def __init__(self, cost: Callable[[int], float]) -> None:
        self.seconds = 0.0
        self.sizes: list[int] = []
        self._cost = cost

    def clock(self) -> float:
        return self.seconds

    def score(self, windows: Floats32, centre: Floats32, scale: Floats32) -> ScoreBatch:
        assert windows.shape[1:] == (2, 8)
        assert centre.shape == scale.shape == windows.shape[:2]
        self.sizes.append(len(windows))
        self.seconds += self._cost(len(windows))
        return ScoreBatch(windows[:, 0, 0], windows[:, :, 0])


def chosen(cost: Callable[[int], float]) -> int:
    scorer = TimedScorer(cost)
    return fastest_batch(scorer, WINDOWS, CENTRE, SCALE, scorer.clock)


def test_where_calls_cost_and_windows_are_nearly_free_the_largest_is_best() -> None:
    assert chosen(lambda size: 1e-3 + size * 1e-9) == SIZES[-1]


def test_where_windows_cost_and_calls_are_free_the_smallest_is_best() -> None:
    assert chosen(lambda size: size * 1e-6) == SIZES[0]


def test_a_cliff_behind_the_cache_is_not_stepped_over() -> None:
    assert chosen(lambda size: 1e-4 + size * (1e-5 if size <= 64 else 2e-5)) == 64


@pytest.mark.parametrize("overhead_windows", [1.0, 10.0, 100.0])
def test_nothing_smaller_comes_within_what_is_worth_waiting_for(overhead_windows: float) -> None:
    def rate(size: int) -> float:
        return size / (size + overhead_windows)

    best = chosen(lambda size: 1e-6 * size / rate(size))
    assert rate(best) * WORTH >= rate(SIZES[-1])
    assert all(rate(size) * WORTH < rate(SIZES[-1]) for size in SIZES if size < best)


def test_a_huge_model_is_not_asked_for_batches_that_would_hold_up_the_rest() -> None:
    scorer = TimedScorer(lambda size: size * 4e-3 + 1.0 / size)
    assert fastest_batch(scorer, WINDOWS, CENTRE, SCALE, scorer.clock) == SIZES[0]
    assert max(scorer.sizes) == SIZES[1]


def test_an_interruption_does_not_change_the_choice() -> None:
    calls = 0

    def cost(size: int) -> float:
        nonlocal calls
        calls += 1
        return 1e-4 + size * 1e-6 + (5e-3 if calls % 3 == 0 else 0.0)

    assert chosen(cost) == chosen(lambda size: 1e-4 + size * 1e-6)


def test_what_a_device_plans_at_the_first_calls_of_a_size_does_not_count() -> None:
    seen: list[int] = []

    def cost(size: int) -> float:
        seen.append(size)
        return 0.06 if seen.count(size) <= 2 else 1e-3

    assert chosen(cost) == SIZES[-1]


def test_a_clock_that_stands_still_now_and_then_does_not_change_the_choice() -> None:
    calls = 0

    def cost(size: int) -> float:
        nonlocal calls
        calls += 1
        return 0.0 if calls % 4 == 0 else 1e-4 + size * 1e-6

    assert chosen(cost) == chosen(lambda size: 1e-4 + size * 1e-6)


class InterruptedScorer:
    """On the CPU as long for every batch; meanwhile others take the core away, the longer the larger the batch is."""

    on_cpu = True

    def score(self, windows: Floats32, centre: Floats32, scale: Floats32) -> ScoreBatch:
        assert centre.shape == scale.shape
        began = time.thread_time()
        while time.thread_time() - began < 0.003:
            pass
        time.sleep(len(windows) ** 2 * 1e-7)
        return ScoreBatch(windows[:, 0, 0], windows[:, :, 0])


def test_time_that_other_programs_take_does_not_count() -> None:
    scorer = InterruptedScorer()
    assert fastest_batch(scorer, WINDOWS, CENTRE, SCALE, busy_clock(scorer)) == SIZES[-1]


def test_measuring_takes_about_a_fifth_of_a_second() -> None:
    scorer = TimedScorer(lambda size: 1e-5 + size * 1e-6)
    fastest_batch(scorer, WINDOWS, CENTRE, SCALE, scorer.clock)
    assert 0.1 < scorer.seconds < 0.4


def test_warming_up_scores_batches_of_the_size_that_will_come() -> None:
    scorer = TimedScorer(lambda size: 0.0)
    warm_up(scorer, WINDOWS, CENTRE, SCALE, size=100)
    assert scorer.sizes == [100, 100, 100]
