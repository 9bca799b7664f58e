"""A false-alarm budget is what it says, or an error that shows how to write one."""

import pytest

from trainer.settings import CalibrationSettings
from trainer.settings.budget import parse_budget, part_of_budget


@pytest.mark.parametrize(
    ("text", "alarms", "period_seconds", "per_day"),
    [
        ("1 per 30d", 1, 30 * 86400, 1 / 30),
        ("2 per 1w", 2, 7 * 86400, 2 / 7),
        ("0.5 per 12h", 0.5, 12 * 3600, 1),
        ("3 per 0.5d", 3, 43200, 6),
    ],
)
def test_a_budget_is_a_number_of_alarms_per_time(
    text: str, alarms: float, period_seconds: float, per_day: float
) -> None:
    budget = parse_budget(text)
    assert (budget.alarms, budget.period_seconds) == (alarms, period_seconds)
    assert budget.per_day == pytest.approx(per_day)
    assert budget.seconds_per_alarm == pytest.approx(86400 / per_day)


@pytest.mark.parametrize(
    "text",
    ["", "1", "1 per day", "1 per 30", "one per 30d", "1 per 30 d", "-1 per 30d", "1 per 30m", " 1 per 1d", "1/d"],
)
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="is no budget: write"):
        parse_budget(text)


@pytest.mark.parametrize("text", ["0 per 30d", "1 per 0d", "0.0 per 1h"])
def test_nothing_is_no_budget(text: str) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        parse_budget(text)


@pytest.mark.parametrize(
    ("text", "half"),
    [("1 per 30d", "0.5 per 30d"), ("0.000003 per 1w", "0.0000015 per 1w"), ("20 per 0.5h", "10.0 per 0.5h")],
)
def test_half_of_a_budget_is_a_budget_in_the_same_words(text: str, half: str) -> None:
    assert part_of_budget(text, 0.5) == half
    assert parse_budget(half).per_day == pytest.approx(parse_budget(text).per_day / 2)


def test_a_part_of_what_is_asked_for_follows_each_rule() -> None:
    assert CalibrationSettings(rule="quantile", setting=0.99).allowing(0.5).number == pytest.approx(0.995)
    assert CalibrationSettings(rule="quantile").allowing(0.5).number == pytest.approx(0.9975)
    assert CalibrationSettings(false_alarms="2 per 1d").allowing(0.5).budget.per_day == 1
    assert CalibrationSettings(rule="mad", setting=5.0).allowing(0.5).number == 5.0
