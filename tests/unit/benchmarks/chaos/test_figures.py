"""What counts as wrong in the chaos run."""

from collections import Counter

import pytest

from benchmarks.chaos.figures import alert_figures, targets_of
from benchmarks.chaos.walk import Expected

STEPS = [("x", "pending"), ("x", "firing"), ("x", "resolved")]


def expected() -> Expected:
    return Expected(alerts=set(STEPS), reasons={"x": "gone"})


def test_what_comes_as_it_has_to_is_counted_as_right() -> None:
    figures = alert_figures(expected(), Counter(STEPS), {"x": {"gone"}})
    wrong = ("alert_steps_missing", "alert_steps_unexpected", "alert_steps_repeated", "wrong_end_reasons")
    assert [figures[name] for name in wrong] == [0, 0, 0, 0]
    assert (figures["ended_gone"], figures["ended_calm"]) == (1, 0)


@pytest.mark.parametrize("told", ["calm", "lost"])
def test_an_alert_that_ends_for_another_reason_is_counted(told: str) -> None:
    assert alert_figures(expected(), Counter(STEPS), {"x": {told}})["wrong_end_reasons"] == 1


def test_an_alert_that_ends_twice_for_two_reasons_is_counted() -> None:
    figures = alert_figures(expected(), Counter([*STEPS, STEPS[-1]]), {"x": {"gone", "lost"}})
    assert (figures["wrong_end_reasons"], figures["alert_steps_repeated"]) == (1, 1)


def test_an_alert_that_nobody_expected_ends_for_no_right_reason() -> None:
    steps = Counter([*STEPS, ("y", "pending"), ("y", "resolved")])
    figures = alert_figures(expected(), steps, {"x": {"gone"}, "y": {"calm"}})
    assert (figures["alert_steps_unexpected"], figures["wrong_end_reasons"]) == (2, 1)


def test_steps_may_come_twice_where_they_go_out_at_qos_1_only() -> None:
    figures = Counter({"alert_steps_repeated": 3})
    assert not all(target.met for target in targets_of(figures, may_repeat=False))
    assert all(target.met for target in targets_of(figures, may_repeat=True))
