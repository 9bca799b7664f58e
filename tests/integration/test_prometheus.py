"""From a fault in a simulated motor to an alert in the real Prometheus, as shipped: configuration, rules and panels."""

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.broker import PATIENCE_SECONDS, Broker, wait_until
from tests.daemon import BIN, Daemon
from tests.prometheus import Prometheus, running_prometheus
from tests.repository import ROOT

pytestmark = pytest.mark.integration

CONFIGS = ROOT / "configs"
DASHBOARDS = sorted((CONFIGS / "grafana" / "dashboards").glob("*.json"))
FAULTY, HEALTHY = "site1.motor-1", "site1.motor-2"


@pytest.fixture
def daemon(tmp_path: Path, broker: Broker) -> Iterator[Daemon]:
    """The daemon with the shipped configuration; only addresses differ."""
    text = (CONFIGS / "monitor.toml").read_text()
    text = text.replace("port = 1883", f"port = {broker.port}").replace('"localhost"', f'"{broker.host}"')
    text = text.replace("port = 9108", "port = 0").replace('"models/', f'"{CONFIGS}/models/')
    config = tmp_path / "monitor.toml"
    config.write_text(text + '[log]\nformat = "json"\n')
    started = Daemon(config)
    try:
        yield started.wait_connected()
    finally:
        started.stop()


@pytest.fixture
def prometheus(tmp_path: Path, daemon: Daemon) -> Iterator[Prometheus]:
    running = daemon.event("running")
    assert running is not None
    with running_prometheus(tmp_path, str(running["http"])) as server:
        yield server


@pytest.fixture
def motors(broker: Broker) -> Iterator[None]:
    """Two motors; after six seconds the bearing of the first begins to fail."""
    fault = ["--fault", "bearing_outer", "--fault-after", "6"]
    where = ["--devices", "2", "--broker", f"{broker.host}:{broker.port}"]
    process = subprocess.Popen([BIN / "residuald", "simulate", "motor", *where, *fault], stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_SECONDS)


@pytest.mark.usefixtures("motors")
def test_a_fault_becomes_an_alert_of_that_motor_alone(prometheus: Prometheus) -> None:
    wait_until(lambda: len(prometheus.query("residuald_window_score")) == 2, "both motors are scored")
    wait_until(lambda: prometheus.alerts("ResidualdStreamFiring") != [], "the alert fires", timeout_seconds=90)
    (alert,) = prometheus.alerts("ResidualdStreamFiring")
    assert alert["state"] == "firing"
    assert alert["labels"]["stream"] == FAULTY
    assert alert["annotations"]["summary"] == f"{FAULTY} behaves unlike normal"
    (score,) = prometheus.query(f'residuald_window_score{{stream="{HEALTHY}"}}')
    assert 0 < float(score["value"][1]) < 1
    states = [rule["health"] for group in prometheus.get("/api/v1/rules")["groups"] for rule in group["rules"]]
    assert len(states) > 10
    assert set(states) <= {"ok", "unknown"}  # unknown: not evaluated yet
    # rates need a few scrapes
    wait_until(lambda: empty_panels(panels(prometheus)) <= EMPTY_IN_PERFECT_ORDER, "every panel shows something")
    found = panels(prometheus)
    assert found["residuald-device State A"][0]["value"][1] == "4"  # `firing` among the states of the panels
    assert [row["metric"]["stream"] for row in found["residuald-fleet Streams that fired A"]] == [FAULTY]
    assert {row["metric"]["stream"] for row in found["residuald-fleet All streams state"]} == {FAULTY, HEALTHY}
    assert len(found["residuald-device Share of the error A"]) == 5
    chosen = choices(prometheus)
    assert [chosen[name] for name in ("$job", "$model", "$site", "$device")] == [
        "residuald",
        "motor",
        "site1",
        "motor-1",
    ]
    assert chosen["$stream"] == FAULTY
    assert empty_panels(panels(prometheus, chosen)) <= EMPTY_IN_PERFECT_ORDER


EMPTY_IN_PERFECT_ORDER = {f"residuald-fleet Discarded by reason {ref}" for ref in "ABC"} | {
    "residuald-device Refused A",
    "residuald-device Refused B",
    "residuald-fleet Windows withheld by reason A",
    "residuald-fleet Alerts per hour C",  # alerts that ask: after hours
    "residuald-device False alarms expected A",  # the shipped thresholds keep no budget
}


ALL = {f"${name}": ".*" for name in ("job", "instance", "model", "site", "device")} | {"$stream": FAULTY}


def panels(prometheus: Prometheus, chosen: dict[str, str] = ALL) -> dict[str, list[dict[str, Any]]]:
    """What the queries of every panel find. chosen: the values of the variables, by default all and that motor."""
    values = chosen | {"$__rate_interval": "10s", "$__range": "1m"}
    found: dict[str, list[dict[str, Any]]] = {}
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel.get("targets", ()):
                expression = filled(target["expr"], values)
                found[f"{path.stem} {panel['title']} {target['refId']}"] = prometheus.query(expression)
    return found


def choices(prometheus: Prometheus) -> dict[str, str]:
    """The value of each variable for the faulty motor, out of what the variable offers, as Grafana asks for it."""
    wanted = {"motor", *FAULTY.split("."), FAULTY}
    chosen: dict[str, str] = {}
    for path in DASHBOARDS:
        for variable in json.loads(path.read_text())["templating"]["list"]:
            if variable["type"] != "query":
                continue
            asked = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
            assert asked
            selector = {"match[]": filled(asked[1], chosen)}
            offered = prometheus.get(f"/api/v1/label/{asked[2]}/values", **selector)
            (chosen[f"${variable['name']}"],) = [value for value in offered if value in wanted] or offered
    return chosen


def filled(expression: str, values: dict[str, str]) -> str:
    return re.sub(r"\$\w+", lambda name: values[name[0]], expression)


def empty_panels(found: dict[str, list[dict[str, Any]]]) -> set[str]:
    return {name for name, rows in found.items() if not rows}


def test_a_daemon_that_is_gone_is_noticed(prometheus: Prometheus, daemon: Daemon) -> None:
    wait_until(lambda: [row["value"][1] for row in prometheus.query("up")] == ["1"], "the daemon is scraped")
    assert prometheus.alerts("ResidualdDown") == []
    daemon.stop(signal.SIGKILL)
    wait_until(lambda: prometheus.alerts("ResidualdDown") != [], "its absence is noticed")
    (alert,) = prometheus.alerts("ResidualdDown")
    assert alert["labels"]["severity"] == "critical"
    assert alert["state"] == "pending"  # it fires after a minute
