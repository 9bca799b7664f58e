"""Prometheus and Alertmanager files, judged by their own tools, and the names they use."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

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
    assert run("promtool", "check", "rules", *RULES).count("SUCCESS") == len(RULES) == 5


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


def test_every_alert_says_how_bad_it_is_what_it_means_and_where_to_look() -> None:
    for name, rule in alerts().items():
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert {"summary", "description", "runbook_url", "dashboard_url"} == rule["annotations"].keys()
        assert rule["annotations"]["runbook_url"].endswith(f"/docs/runbook.md#{name.lower()}")
        board = "residuald-device" if "stream=" in rule["annotations"]["dashboard_url"] else "residuald-fleet"
        assert f":3000/d/{board}?var-instance=" in rule["annotations"]["dashboard_url"]


def test_the_runbook_has_a_chapter_for_each_alert_and_for_no_other() -> None:
    chapters = re.findall(r"^### (.+)$", (ROOT / "docs" / "runbook.md").read_text(), re.MULTILINE)
    assert sorted(chapters) == sorted(alerts())


def test_a_machine_unlike_normal_wakes_somebody() -> None:
    assert alerts()["ResidualdStreamFiring"]["labels"]["severity"] == "critical"
    routes = yaml.safe_load((PROMETHEUS / "alertmanager.yml").read_text())["route"]["routes"]
    assert [route["receiver"] for route in routes if route["matchers"] == ['severity = "critical"']] == ["on_call"]


def test_no_alert_ends_because_its_daemon_died() -> None:
    rules = alerts()
    del rules["ResidualdDown"]
    for name, rule in rules.items():
        assert rule["expr"].endswith(f'or ignoring (alertname) alert:residuald_firing:while_down{{alertname="{name}"}}')
        assert rule["keep_firing_for"], name  # bridges the moment before that series is there


def test_an_alert_of_a_stream_names_its_site_and_device() -> None:
    for rule in alerts().values():
        of_streams = (
            re.search(r"residuald_stream_(state|quality|asks|alerts_total|conflicts_total)", rule["expr"]) is not None
        )
        joined = "* on (job, instance, model, stream) group_left (site, device) residuald_stream_info" in rule["expr"]
        assert joined == of_streams


def alerts() -> dict[str, dict[str, Any]]:
    """The alerting rules by name."""
    groups = [group for path in RULES for group in yaml.safe_load(path.read_text())["groups"]]
    return {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}


def words(path: Path) -> list[list[str]]:
    """`key: value` lines, with or without a list's dash."""
    lines = (line.strip().removeprefix("- ") for line in path.read_text().splitlines())
    return [line.split(": ", 1) for line in lines if ": " in line]
