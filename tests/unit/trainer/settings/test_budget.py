"""A false-alarm budget is what it says, or an error that shows how to write one."""

import pytest

from trainer.settings.budget import parse_budget


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
