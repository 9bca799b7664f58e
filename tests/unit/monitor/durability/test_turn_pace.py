"""The pace of a thread that may use a small share: it waits, and does less where a busy process pays for it."""

import pytest

from monitor.durability.turn_pace import Turn, TurnPace


def pace_of() -> TurnPace:
    return TurnPace(0.01, 1.0, 8.0, Turn(0.0, 0.0, 0.0))


def test_after_a_turn_the_process_has_to_use_so_much_that_the_turn_is_a_small_share() -> None:
    pace = pace_of()
    pace.note(Turn(5.0, 0.2, 10.0))
    assert pace.owed_seconds(Turn(5.0, 0.0, 10.0)) == 20.0
    assert pace.owed_seconds(Turn(15.0, 0.0, 30.0)) == 10.0
    assert pace.owed_seconds(Turn(25.0, 0.0, 50.0)) == 0.0


def test_an_idle_process_is_not_waited_for() -> None:
    pace = pace_of()
    pace.note(Turn(5.0, 0.2, 10.0))
    assert pace.owed_seconds(Turn(5.1, 0.0, 17.0)) > 0
    assert pace.owed_seconds(Turn(5.1, 0.0, 19.0)) == 0.0


def test_turns_that_cost_a_busy_process_too_much_should_do_less_by_as_much() -> None:
    pace = pace_of()
    assert pace.note(Turn(1.0, 0.5, 1.5)) == 1.0  # as one that opens the file
    assert pace.note(Turn(2.0, 0.02, 3.0)) == pytest.approx(2.0)
    assert pace.note(Turn(3.0, 0.03, 4.5)) == pytest.approx(2.0)
    assert pace.note(Turn(4.0, 0.005, 6.0)) == 1.0


def test_an_idle_process_gets_fewer_turns_and_no_smaller_ones_and_as_many_as_before_when_it_works_again() -> None:
    pace = pace_of()
    waits = []
    for number in range(1, 6):
        assert pace.note(Turn(0.01 * number, 0.001, 1.0 * number)) == 1.0
        waits.append(pace.wait_seconds)
    assert waits == [2.0, 4.0, 8.0, 8.0, 8.0]
    for number in range(6, 10):
        pace.note(Turn(10.0 * number, 0.001, 10.0 * number))
    assert pace.wait_seconds == 1.0
