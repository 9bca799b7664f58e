"""Steps take in less while they last too long, and as much as before once they are short again."""

from monitor.core.ports import TAKE_LIMITS
from monitor.daemon.step_size import StepSize


def test_a_step_that_took_too_long_lets_the_next_take_in_as_much_less() -> None:
    size = StepSize()
    size.note(1000, 5.0)
    assert size.limits.messages == 100
    assert size.limits.nbytes == TAKE_LIMITS.nbytes // 10
    size.note(3, 60.0)
    assert size.limits.messages == 1
    assert size.limits.nbytes >= 1


def test_short_steps_let_it_grow_back_and_never_beyond_the_limits_of_a_take() -> None:
    size = StepSize()
    size.note(1000, 5.0)
    size.note(100, 0.3)
    assert size.limits.messages == 100
    for _ in range(20):
        size.note(100, 0.01)
    assert size.limits == TAKE_LIMITS
