"""The dashboards and rules: generated as committed, and asking only for what the daemon exports."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml  # type: ignore[import-untyped]

from monitor.adapters.mqtt.inbox import Inbox
from monitor.adapters.mqtt.link import MqttLink
from monitor.adapters.storage.disk_store import DiskStore
from monitor.adapters.storage.settings import HistoryConfig
from monitor.adapters.webhook.settings import WebhookConfig
from monitor.adapters.webhook.sink import WebhookSink
from monitor.core.artifact.calibration import Calibration
from monitor.core.scoring.quality import Quality
from monitor.core.streams.stream_table import StreamState
from monitor.core.values.messages import Message, MessageBatch
from monitor.durability.checkpointer import Checkpointer
from monitor.durability.history_keeper import HistoryKeeper
from monitor.pipeline.pipeline import Moment
from monitor.setup.build import build_pipeline, load_setup
from monitor.simulators.ecg import Ecg
from monitor.telemetry.metrics import registry_of
from tests.manifests import budget_fields
from tests.promql import selectors
from tests.repository import ROOT

CONFIGS = ROOT / "configs"
GRAFANA = CONFIGS / "grafana"
DASHBOARDS = sorted((GRAFANA / "dashboards").glob("*.json"))
TARGET_LABELS = {"job", "instance"}  # Prometheus adds them to everything it scrapes
ALERT_LABELS = {"alertname", "alertstate", "severity", "model", "site", "device"}
VARIABLES = ["datasource", "job", "instance", "model", "site", "device"]
SERIES_OF = {"counter": ("_total",), "info": ("_info",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}

Exported = dict[str, set[str]]


def load(path: Path) -> dict[str, Any]:
    board: dict[str, Any] = json.loads(path.read_text())
    return board


def load_rules() -> list[dict[str, Any]]:
    files = (yaml.safe_load(path.read_text()) for path in sorted(CONFIGS.glob("prometheus/rules/*.yml")))
    return [rule for file in files for group in file["groups"] for rule in group["rules"]]


def dashboard_expressions(board: dict[str, Any]) -> Iterator[str]:
    for panel in board["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))
    yield from (entry["expr"] for entry in board.get("annotations", {}).get("list", ()))
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            found = re.fullmatch(r"label_values\((.+), \w+\)", variable["query"]["query"])
            assert found
            yield found[1]


def ecg_messages(seconds: float, now: float) -> list[Message]:
    """A healthy heart, then one whose values are no numbers any more, a duplicate, nonsense of two devices, a motor."""
    simulator = Ecg(seed=0, device=1)
    count = int(simulator.sample_rate_hz / 5)
    messages = []
    for number in range(int(5 * seconds)):
        values = simulator.take(count).values[:, 0]
        if number > 2.5 * seconds:
            values = np.full_like(values, np.nan)
        body = {"ts": now + number / 5, "values": [None if np.isnan(value) else float(value) for value in values]}
        messages.append(Message("ward/bed1/ecg", json.dumps(body).encode(), now + number / 5))
    motor = json.dumps({"ts": now, "rows": [[0.0] * 5]}).encode()  # whose topic names site and device
    nonsense = Message("ward/bed1/ecg", b"{", now)
    unopened = Message("ward/bed2/ecg", b"{", now)  # of a device that never sends anything else
    return [*messages, messages[0], nonsense, unopened, Message("plant/hall1/m17/motor", motor, now)]


@pytest.fixture(scope="module")
def exported() -> Exported:
    """Each series that the daemon exports when things have gone well and badly, with its label names."""
    setup = load_setup(CONFIGS / "monitor.toml")
    pipeline = build_pipeline(setup, lambda source, topic, discard: None)
    now = time.time()
    step = pipeline.step(MessageBatch.of(ecg_messages(12, now - 12)), Moment(now, time.monotonic()), everything=True)
    assert step.scored_batches
    pipeline.model_groups["ecg"].questions.asks_since_seconds[0] = now
    inbox = Inbox(setup.config.limits.max_inbox_messages, setup.config.limits.max_inbox_bytes)
    link = MqttLink(setup.config.mqtt, [], inbox, max_payload_bytes=setup.config.limits.max_payload_bytes)
    checkpointer = Checkpointer(DiskStore(Path("journal")), setup.config.journal, "")  # not opened: it has kept nothing
    checkpointer.checkpoint_seconds = now
    history = HistoryKeeper(
        Path("journal/history.sqlite"), HistoryConfig(), 0, lambda model, version: ""
    )  # not started
    history.state = replace(history.state, oldest_seconds=now)
    artifact = setup.artifacts["motor"]
    with_budget = artifact.manifest.model_copy(update={"calibration": Calibration.model_validate(budget_fields())})
    daemon = SimpleNamespace(  # the parts of a running daemon that its metrics are read from
        pipeline=pipeline,
        artifacts={**setup.artifacts, "motor": replace(artifact, manifest=with_budget)},
        inbox=inbox,
        link=link,
        started_seconds=now,
        reload_succeeded=True,
        reload_success_seconds=now,
        max_channel_series=100,
        standings=setup.standings,
        checkpointer=checkpointer,
        history=history,
        webhooks=(WebhookSink(WebhookConfig(url="http://localhost/")),),
    )
    found: Exported = {"up": set(TARGET_LABELS), "ALERTS": {*TARGET_LABELS, *ALERT_LABELS}}
    for family in registry_of(daemon).collect():
        for suffix in SERIES_OF.get(family.type, ()):
            found.setdefault(family.name + suffix, set(TARGET_LABELS))
        for sample in family.samples:
            found.setdefault(sample.name, set(TARGET_LABELS)).update(sample.labels)
    return found


def missing(expressions: Iterator[str], exported: Exported) -> list[str]:
    """What the expressions ask for that nobody exports: names, and labels of names."""
    asked = {selector for expression in expressions for selector in selectors(expression)}
    assert asked
    return [
        f"{name}{{{', '.join(sorted(labels - exported.get(name, set())))}}}"
        for name, labels in sorted(asked)
        if name not in exported or labels - exported[name]
    ]


def recorded() -> Exported:
    """What recording rules add; their grouping says by which labels."""
    found: Exported = {}
    for rule in load_rules():
        if "record" in rule:
            grouping = re.search(r"by \(([^)]*)\)", rule["expr"])
            labels = grouping[1] if grouping else "job, instance, alertname"  # of alerts, whatever else they have
            found[rule["record"]] = {label.strip() for label in labels.split(",")} - {"le"}
    return found


def test_every_series_that_a_rule_asks_for_is_exported(exported: Exported) -> None:
    assert missing((rule["expr"] for rule in load_rules()), exported | recorded()) == []


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_series_that_a_panel_asks_for_is_exported(path: Path, exported: Exported) -> None:
    assert missing(dashboard_expressions(load(path)), exported | recorded()) == []


def test_a_series_that_is_not_exported_would_be_found(exported: Exported) -> None:
    asked = iter(['sum by (x) (rate(residuald_windows_scored_total{stream="a", bed="b"}[5m])) / residuald_nonsense'])
    assert missing(asked, exported) == ["residuald_nonsense{}", "residuald_windows_scored_total{bed}"]


def test_every_metric_of_our_own_is_shown_or_alerted_on_or_known_to_be_for_explorers(exported: Exported) -> None:
    asked = {name for path in DASHBOARDS for e in dashboard_expressions(load(path)) for name, _ in selectors(e)}
    asked |= {name for rule in load_rules() for name, _ in selectors(rule["expr"])}
    ours = {name for name in exported if name.startswith("residuald_")}
    unused = {name for name in ours - asked if not name.endswith(("_bucket", "_sum", "_count"))}
    assert unused == FOR_EXPLORERS


# not on a dashboard: totals behind what is shown, and what only matters when looking for something
FOR_EXPLORERS = {
    "residuald_channel_clock_offset_seconds",
    "residuald_alerts_total",
    "residuald_remembered_streams",
    "residuald_remembered_streams_dropped_total",
    "residuald_unlike_training_streams",
    "residuald_alerts_resolved_total",
    "residuald_alerts_active",
    "residuald_commands_total",
    "residuald_config_last_reload_success_timestamp_seconds",
    "residuald_checkpoint_timestamp_seconds",
    "residuald_checkpoints_discarded_total",
    "residuald_history_batches_dropped_total",
    "residuald_history_windows_without_samples_total",
    "residuald_history_bytes",
    "residuald_history_max_bytes",
    "residuald_history_moved_aside_total",
    "residuald_history_oldest_timestamp_seconds",
    "residuald_history_processor_seconds_total",
    "residuald_history_stretches",
    "residuald_history_windows_thinned_total",
    "residuald_history_written_bytes_total",
    "residuald_inbox_bytes",
    "residuald_inbox_dropped_by_share_total",
    "residuald_stream_masked_channels",
    "residuald_streams_evicted_total",
    "residuald_journal_bytes",
    "residuald_journal_dropped_total",
    "residuald_journal_messages_total",
    "residuald_journal_replayed_messages",
    "residuald_mqtt_unconfirmed_messages",
    "residuald_webhook_attempts_failed_total",
    "residuald_webhook_steps_waiting",
    "residuald_samples_received_total",
    "residuald_stream_restarts_total",
}


def test_the_committed_dashboards_are_what_the_generator_writes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, GRAFANA / "generate.py", tmp_path], check=True, timeout=60)
    written = {path.name: path.read_text() for path in tmp_path.iterdir()}
    committed = {path.name: path.read_text() for path in DASHBOARDS}
    assert len(committed) == 2
    assert written == committed, "run `python configs/grafana/generate.py` and commit what it writes"


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_expression_is_valid_promql(path: Path, tmp_path: Path) -> None:
    # promtool checks rules, not expressions: wrap each into one, with values for Grafana's variables
    values = {"$__rate_interval": "1m", "$__range": "1h", "$stream": "m1"}
    values |= {f"${name}": ".*" for name in VARIABLES}
    rules = []
    for number, expression in enumerate(dashboard_expressions(load(path))):
        for variable, value in values.items():
            expression = expression.replace(variable, value)  # noqa: PLW2901 - one variable after the other
        assert "$" not in expression
        rules.append({"record": f"e{number}", "expr": expression})
    assert len(rules) > 10
    file = tmp_path / "rules.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    outcome = subprocess.run(
        ["promtool", "check", "rules", file], capture_output=True, text=True, timeout=60, check=False
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_panels_fit_the_grid_explain_themselves_and_use_the_chosen_data_source(path: Path) -> None:
    panels = load(path)["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["title"]
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        if panel["type"] != "row":
            assert panel["description"]
            assert panel["options"] is not None  # Grafana's schema wants it to be an object
            assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    for one, other in combinations((panel["gridPos"] for panel in panels), 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_what_is_chosen_above_holds_for_every_panel(path: Path) -> None:
    board = load(path)
    assert [variable["name"] for variable in board["templating"]["list"]][: len(VARIABLES)] == VARIABLES
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            for variable in ("job", "instance", "model"):
                plain, or_none = f'{variable}=~"${variable}"', f'{variable}=~"(${variable})|"'
                assert plain in target["expr"] or or_none in target["expr"]
    of_streams = {panel["title"] for panel in board["panels"] if "$site" in json.dumps(panel.get("targets", ()))}
    if path.stem == "residuald-fleet":
        assert of_streams >= {"Streams", "Firing", "Silent", "Open alerts", "All streams", "Streams that fired"}


def test_alerts_are_listed_and_drawn_through_the_panels_and_daemons_that_are_down_are_seen() -> None:
    fleet, device = (load(GRAFANA / "dashboards" / f"residuald-{name}.json") for name in ("fleet", "device"))
    expressions = {panel["title"]: [each["expr"] for each in panel.get("targets", ())] for panel in fleet["panels"]}
    assert 'ALERTS{alertname=~"Residuald.+", alertstate="firing"' in expressions["Open alerts"][0]
    assert 'up{job=~"$job"' in expressions["Up"][0]
    for board in (fleet, device):
        marks = {mark["name"]: mark for mark in board["annotations"]["list"]}
        assert "increase(residuald_stream_alerts_total" in marks["Alerts"]["expr"]
        assert "residuald_start_time_seconds" in marks["Restarts"]["expr"]
        assert all(mark["titleFormat"] for mark in marks.values())
        assert any(panel.get("options", {}).get("graphMode") == "area" for panel in board["panels"])
    assert '"type": "sparkline"' in json.dumps(fleet)


def test_the_data_source_has_an_identity_of_its_own_and_is_not_made_the_default() -> None:
    (source,) = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text())["datasources"]
    assert source["uid"] == source["name"] == "residuald-prometheus"
    assert source["isDefault"] is False


def test_links_lead_to_dashboards_that_exist() -> None:
    links = {found for path in DASHBOARDS for found in re.findall(r'"/d/([\w-]+)', path.read_text())}
    assert links == {load(path)["uid"] for path in DASHBOARDS}


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_state_and_quality_has_its_colour(path: Path) -> None:
    text = path.read_text()
    for value in (*(state.label for state in StreamState), *(quality.value for quality in Quality)):
        assert f'=\\"{value}\\"' in text
        assert f'"text": "{value.replace("_", " ")}"' in text
