"""Prometheus and Alertmanager files, judged by their own tools, and the names they use."""

import subprocess
from pathlib import Path

import pytest

from tests.repository import ROOT

PROMETHEUS = ROOT / "configs" / "prometheus"
RULES = sorted(PROMETHEUS.glob("rules/*.yml"))
RULE_TESTS = sorted(PROMETHEUS.glob("tests/*.yml"))


def run(*command: str | Path) -> str:
    outcome = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=60, cwd=PROMETHEUS, check=False
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    return outcome.stdout + outcome.stderr


def test_the_rules_are_valid() -> None:
    assert run("promtool", "check", "rules", *RULES).count("SUCCESS") == len(RULES) == 2


def test_the_scrape_configuration_is_valid_and_finds_the_rules() -> None:
    assert f"{len(RULES)} rule files found" in run("promtool", "check", "config", "prometheus.yml")


def test_the_alertmanager_example_is_valid() -> None:
    assert "2 receivers" in run("amtool", "check-config", "alertmanager.yml")


@pytest.mark.parametrize("path", RULE_TESTS, ids=lambda path: path.stem)
def test_the_alerts_fire_when_they_should_and_only_then(path: Path) -> None:
    assert "SUCCESS" in run("promtool", "test", "rules", path)


def test_every_alert_has_a_test_in_which_it_fires() -> None:
    defined = {word[1] for path in RULES for word in words(path) if word[:1] == ["alert"]}
    tested = {word[1] for path in RULE_TESTS for word in words(path) if word[:1] == ["alertname"]}
    assert defined == tested
    assert len(defined) > 10


def test_every_alert_says_how_bad_it_is_and_what_to_do() -> None:
    text = (PROMETHEUS / "rules" / "alerts.yml").read_text()
    alerts = text.split("- alert: ")[1:]
    for alert in alerts:
        for part in ("severity: ", "summary: ", "description: "):
            assert part in alert, alert


def words(path: Path) -> list[list[str]]:
    """`key: value` lines, with or without a list's dash."""
    lines = (line.strip().removeprefix("- ") for line in path.read_text().splitlines())
    return [line.split(": ", 1) for line in lines if ": " in line]
