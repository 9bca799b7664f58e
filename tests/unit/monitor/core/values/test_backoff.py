"""Delays: random, growing, under a ceiling, and short again after success."""

import random

from hypothesis import given
from hypothesis import strategies as st

from monitor.core.values.backoff import Backoff


@given(st.integers(), st.floats(0.1, 30.0))
def test_no_delay_exceeds_its_bound_or_the_ceiling(seed: int, ceiling: float) -> None:
    backoff = Backoff(1.0, ceiling, random.Random(seed))
    for attempt in range(12):
        assert 0.0 <= backoff.next_seconds() <= min(2.0**attempt, ceiling)


def test_delays_grow_until_the_ceiling_and_start_over_after_a_reset() -> None:
    class Highest(random.Random):
        def uniform(self, a: float, b: float) -> float:  # noqa: ARG002 the base class's signature
            return b

    backoff = Backoff(1.0, 5.0, Highest())
    assert [backoff.next_seconds() for _ in range(5)] == [1.0, 2.0, 4.0, 5.0, 5.0]
    backoff.reset()
    assert backoff.next_seconds() == 1.0
