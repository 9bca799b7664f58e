"""What the listener of the chaos run counts."""

from collections import Counter

from benchmarks.chaos.listener import count_step

STEP = ("machine-1", "firing")


def test_a_step_that_comes_twice_counts_twice_unless_the_broker_says_that_it_repeats_itself() -> None:
    steps: Counter[tuple[str, str]] = Counter()
    count_step(steps, STEP, marked=False)
    count_step(steps, STEP, marked=True)
    assert steps[STEP] == 1
    count_step(steps, STEP, marked=False)
    assert steps[STEP] == 2


def test_a_marked_step_that_never_came_before_counts() -> None:
    steps: Counter[tuple[str, str]] = Counter()
    count_step(steps, STEP, marked=True)
    assert steps[STEP] == 1
