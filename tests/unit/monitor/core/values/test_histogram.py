"""Histograms count as Prometheus does."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.values.histogram import Histogram

BOUNDS = (0.1, 1.0, 10.0)


@given(values=st.lists(st.floats(0, 20), max_size=50), cut=st.integers(0, 50))
def test_each_bound_counts_the_values_that_are_not_above_it(values: list[float], cut: int) -> None:
    histogram = Histogram(BOUNDS)
    histogram.observe(np.array(values[:cut]))
    histogram.observe(np.array(values[cut:]))
    assert histogram.cumulative() == [sum(value <= bound for value in values) for bound in (*BOUNDS, math.inf)]
    assert math.isclose(histogram.sum, sum(values), abs_tol=1e-9)


@given(values=st.lists(st.floats(0, 20), max_size=50))
def test_values_count_the_same_one_by_one(values: list[float]) -> None:
    at_once, one_by_one = Histogram(BOUNDS), Histogram(BOUNDS)
    at_once.observe(np.array(values))
    for value in values:
        one_by_one.observe_one(value)
    assert one_by_one.cumulative() == at_once.cumulative()
    assert math.isclose(one_by_one.sum, at_once.sum, abs_tol=1e-9)


def test_a_value_on_a_bound_belongs_to_it() -> None:
    histogram = Histogram(BOUNDS)
    histogram.observe(np.array(BOUNDS))
    assert histogram.cumulative() == [1, 2, 3, 3]


def test_nothing_observed_is_zero_everywhere() -> None:
    histogram = Histogram(BOUNDS)
    histogram.observe(np.zeros(0))
    assert histogram.cumulative() == [0, 0, 0, 0]
    assert histogram.sum == 0
