"""What an artifact promises about false alarms, in words that a person understands."""

from pathlib import Path

import pytest

from monitor.config.model import ModelConfig
from monitor.core.alerting.decision_rule import DecisionSettings
from monitor.core.artifact.calibration import Calibration, FalseAlarms
from monitor.core.values.duration import in_words
from monitor.setup.summary import model_lines
from tests.manifests import budget_fields, manifest_of

FALSE_ALARMS = FalseAlarms(
    asked="1 per 30d",
    asked_per_day=1 / 30,
    expected_per_day=1 / 30,
    low_per_day=0.0,
    high_per_day=0.5,
    method="tail",
    normal_seconds=86400.0,
    needed_seconds=26000.0,
    judge=DecisionSettings(),
)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        *((0.5, "0.5 s"), (90, "1.5 min"), (2.1 * 3600, "2.1 h"), (30 * 86400, "30 d"), (400 * 86400, "400 d")),
        *((5 * 365.25 * 86400, "5 years"), (1e12, "over 100 years")),
    ],
)
def test_durations_are_told_in_the_largest_unit_that_fits(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


def test_a_promise_is_a_time_between_alarms_with_its_interval() -> None:
    assert FALSE_ALARMS.expectation == ("one false alarm per stream in 30 d expected (95 %: in 2 d to over 100 years)")
    assert FALSE_ALARMS.extrapolation == pytest.approx(30)


def test_a_calibration_names_its_rule_and_what_it_rests_on() -> None:
    quantile = Calibration(rule="quantile", setting=0.995, windows=1440, error_quantiles={})
    budget = Calibration(rule="budget", setting=1 / 30, windows=1440, error_quantiles={}, false_alarms=FALSE_ALARMS)
    assert quantile.described == "quantile 0.995 of 1,440 windows"
    assert budget.described == "budget 1 per 30d, from 1,440 windows"


def test_a_daemon_that_judges_otherwise_than_the_budget_assumes_says_so() -> None:
    manifest = manifest_of(calibration=budget_fields())
    same = "\n".join(model_lines(ModelConfig(name="m", path=Path("m")), manifest))
    other = "\n".join(model_lines(ModelConfig(name="m", path=Path("m"), judge=DecisionSettings(k=3, n=4)), manifest))
    assert "one false alarm per stream in 20 d expected" in same
    assert "note:" not in same
    assert "note: that holds for 2 of 3, released after 3 windows below 0.9" in other
