"""What is sent next: steps of one alert in order, and none waits for another alert."""

import math

from hypothesis import given
from hypothesis import strategies as st

from monitor.adapters.webhook.schedule import Schedule, Waiting
from monitor.core.ports import Delivery, StepKey


def step(alert: str, number: int, accepted_seconds: float = 0.0) -> Waiting:
    return Waiting(Delivery(StepKey(alert, number), "t", b"{}"), accepted_seconds)


def key(waiting: Waiting | None) -> tuple[str, int] | None:
    return None if waiting is None else (waiting.delivery.key.alert, waiting.delivery.key.step)


def filled(*steps: tuple[str, int]) -> Schedule:
    schedule = Schedule()
    for alert, number in steps:
        assert schedule.add(step(alert, number), 0.0)
    return schedule


def test_a_step_waits_until_the_earlier_one_of_its_alert_is_done() -> None:
    schedule = filled(("a", 0), ("a", 1))
    first = schedule.take(0.0)
    assert key(first) == ("a", 0)
    assert first is not None
    assert schedule.take(0.0) is None
    schedule.again(first, 5.0)
    assert schedule.take(4.9) is None
    again = schedule.take(5.0)
    assert again is first
    schedule.done(first, 5.0)
    assert key(schedule.take(5.0)) == ("a", 1)


def test_an_alert_that_fails_does_not_hold_up_another() -> None:
    schedule = filled(("a", 0), ("b", 0), ("b", 1))
    first = schedule.take(0.0)
    assert first is not None
    schedule.again(first, 60.0)
    for number in (0, 1):
        taken = schedule.take(1.0)
        assert key(taken) == ("b", number)
        assert taken is not None
        schedule.done(taken, 1.0)
    assert schedule.take(1.0) is None
    assert schedule.due_seconds() == 60.0
    assert len(schedule) == 1


def test_a_step_that_waits_already_is_not_added_again() -> None:
    schedule = filled(("a", 0), ("a", 1))
    assert not schedule.add(step("a", 0), 0.0)
    assert not schedule.add(step("a", 1), 0.0)
    assert len(schedule) == 2


def test_nothing_is_due_during_a_pause_even_for_who_is_in_a_hurry() -> None:
    schedule = filled(("a", 0))
    schedule.pause(10.0)
    schedule.pause(5.0)
    schedule.hurry(0.0)
    assert schedule.due_seconds() == 10.0
    assert schedule.take(9.9) is None
    assert key(schedule.take(10.0)) == ("a", 0)


def test_whoever_hurries_tries_at_once_what_waits_for_its_time() -> None:
    schedule = Schedule()
    schedule.add(step("late", 0), 50.0)
    schedule.add(step("later", 0), 70.0)
    schedule.hurry(1.0)
    assert [key(schedule.take(1.0)), key(schedule.take(1.0))] == [("late", 0), ("later", 0)]


def test_an_empty_schedule_has_nothing_due_and_nothing_old() -> None:
    schedule = Schedule()
    assert schedule.take(1e9) is None
    assert schedule.due_seconds() == math.inf
    assert schedule.oldest_accepted_seconds() is None
    schedule.add(step("a", 0, 20.0), 0.0)
    schedule.add(step("b", 0, 10.0), 0.0)
    assert schedule.oldest_accepted_seconds() == 10.0


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), max_size=40),
    st.lists(st.tuples(st.booleans(), st.floats(0, 3)), min_size=1),
)
def test_every_step_is_done_once_and_in_the_order_of_its_alert(
    arrivals: list[tuple[str, int]], attempts: list[tuple[bool, float]]
) -> None:
    schedule, numbers, done = Schedule(), dict.fromkeys("abc", 0), []
    now = 0.0
    for round_ in range(len(arrivals) + 500):
        if round_ < len(arrivals):
            alert = arrivals[round_][0]
            schedule.add(step(alert, numbers[alert]), now)
            numbers[alert] += 1
        elif not len(schedule):
            break
        taken = schedule.take(now)
        succeeds, delay = attempts[round_ % len(attempts)]
        if taken is None:
            now = min(schedule.due_seconds(), now + 1.0)
        elif succeeds or round_ > len(arrivals) + 50:
            schedule.done(taken, now)
            done.append(key(taken))
        else:
            schedule.again(taken, now + delay)
    assert len(schedule) == 0
    for alert, count in numbers.items():
        assert [found for found in done if found and found[0] == alert] == [(alert, number) for number in range(count)]
