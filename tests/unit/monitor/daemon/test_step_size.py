"""Steps take in less while messages cost much, and as much as a take may bring once they cost little."""

from monitor.core.ports import TAKE_LIMITS
from monitor.daemon.step_size import StepSize


def test_what_messages_cost_while_few_come_bounds_the_step_of_a_flood() -> None:
    size = StepSize()
    for _ in range(50):
        size.note(1, 0.025)
    assert 15 <= size.limits.messages <= 21  # half a second
    assert size.limits.nbytes < TAKE_LIMITS.nbytes // 10


def test_what_is_scored_later_than_it_came_counts_as_well() -> None:
    size = StepSize()
    for _ in range(50):
        size.note(10, 0.001)
        size.note(0, 0.25)
    assert 15 <= size.limits.messages <= 21


def test_messages_that_cost_little_are_taken_as_many_as_a_take_may_bring() -> None:
    size = StepSize()
    for _ in range(50):
        size.note(1, 0.0004)  # a step has its cost however little it takes in
    assert size.limits is TAKE_LIMITS


def test_after_a_slow_time_it_grows_back() -> None:
    size = StepSize()
    size.note(1000, 60.0)
    assert size.limits.messages < 20
    for _ in range(60):
        size.note(size.limits.messages, size.limits.messages * 7e-6 + 0.0003)
    assert size.limits is TAKE_LIMITS


def test_at_least_one_message_is_taken_however_slow() -> None:
    size = StepSize()
    size.note(1, 600.0)
    assert size.limits.messages == 1


def test_nothing_is_taken_by_the_thousand_before_anything_was_measured() -> None:
    assert StepSize().limits.messages <= 100
