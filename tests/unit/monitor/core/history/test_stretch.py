"""Stretches that touch are joined, and what two of them hold of the same time counts once."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.history.stretch import Stretch, joined

PERIOD = 0.5


def stretch_of(first: int, samples: int, version: str = "v1") -> Stretch:
    """Samples number `first` and on, whose value is their number, with a window at the end of every fourth."""
    numbers = np.arange(first, first + samples)
    ends = numbers[numbers % 4 == 3] * PERIOD
    return Stretch(
        *("motor", "plant.m1", version, ("a", "b"), PERIOD, first * PERIOD),
        np.stack([numbers, -numbers]).astype(np.float32),
        ends,
        ends.astype(np.float32),
        np.zeros(len(ends), np.int8),
        np.zeros(len(ends), np.int8),
        "sample",
    )


@given(st.lists(st.tuples(st.integers(-6, 3), st.integers(1, 40)), min_size=1, max_size=8))
def test_joined_stretches_hold_every_sample_once_and_in_order(parts: list[tuple[int, int]]) -> None:
    at, numbers = 0, set[int]()
    stretches: list[Stretch] = []
    for step, samples in parts:
        first = max(at + step, 0 if not stretches else round(stretches[-1].start_seconds / PERIOD) + 1)
        stretches.append(stretch_of(first, samples))
        numbers |= set(range(first, first + samples))
        at = max(at, first + samples)
    found = list(joined(stretches))
    values = np.concatenate([each.values[0] for each in found])
    assert values.tolist() == sorted(numbers)
    for each in found:
        times = each.start_seconds + np.arange(each.samples) * PERIOD
        np.testing.assert_allclose(times, each.values[0] * PERIOD)
        assert (np.diff(each.ends_seconds) > 0).all()
    for before, after in pairwise(found):
        assert after.start_seconds - before.end_seconds > PERIOD * 1.5


def test_a_gap_and_another_artifact_end_a_stretch() -> None:
    apart = list(joined([stretch_of(0, 10), stretch_of(12, 10)]))
    assert [each.samples for each in apart] == [10, 10]
    others = list(joined([stretch_of(0, 10), stretch_of(10, 10, version="v2")]))
    assert [each.version for each in others] == ["v1", "v2"]


def test_a_joined_stretch_is_exempt_only_where_all_of_it_is() -> None:
    first, second = stretch_of(0, 10), stretch_of(10, 10)
    assert next(joined([replace(first, kept="alert"), replace(second, kept="alert")])).kept == "alert"
    assert next(joined([replace(first, kept="alert"), second])).kept == "sample"
