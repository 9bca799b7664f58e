"""What Prometheus gets to see: every metric that the documentation promises, and nothing that could mislead."""

import json
import re
import shutil
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from monitor import __version__
from monitor.adapters.artifacts.standing import Standing
from monitor.adapters.engines.loader import Artifact
from monitor.adapters.mqtt.inbox import Inbox
from monitor.adapters.mqtt.link import MqttLink
from monitor.adapters.mqtt.settings import MqttConfig
from monitor.adapters.storage.disk_store import DiskStore
from monitor.adapters.storage.settings import HistoryConfig, JournalConfig
from monitor.adapters.web.exposition import expose
from monitor.adapters.webhook.settings import WebhookConfig
from monitor.adapters.webhook.sink import WebhookSink
from monitor.core.scoring.quality import QUALITIES
from monitor.core.sources.source import SourceSpec
from monitor.core.streams.stream_table import StreamState
from monitor.core.values.messages import Message, MessageBatch
from monitor.durability.checkpointer import Checkpointer
from monitor.durability.history_keeper import HistoryKeeper
from monitor.pipeline.pipeline import Moment, Pipeline, PipelineSettings
from monitor.telemetry.metrics import registry_of
from tests.manifests import PERIOD, MeanSquareScorer, budget_fields, manifest_of, model_group_of
from tests.repository import ROOT

PAGE = ROOT / "docs" / "metrics.md"
START = 1_700_000_000.0
CALM, WILD = 1.0, 3.0
RATES = ("asked", "expected")
SOURCE = SourceSpec.model_validate(
    {
        "name": "vibration",
        "topic": "{site}/{model}/{device}",
        "model": "m",
        "stream": "{device}",
        "format": {"kind": "json", "timestamp": "t", "rows": "r"},
    }
)


class Daemon:
    """As much of a daemon as metrics look at: a real pipeline, inbox and link, of which the last is not connected."""

    def __init__(self, max_channel_series: int = 100) -> None:
        self.model_group = model_group_of(manifest_of(("x", "y"), calibration=budget_fields()), k=1, n=1)
        limits = PipelineSettings(commands_below="residuald")
        self.pipeline = Pipeline((SOURCE,), {"m": self.model_group}, {"m": MeanSquareScorer()}, limits, lambda: 0)
        self.inbox = Inbox(1000, 1_000_000)
        self.link = MqttLink(MqttConfig(), [], self.inbox, max_payload_bytes=1000)
        self.started_seconds = START
        self.reload_succeeded = True
        self.reload_success_seconds = START + 1
        self.max_channel_series = max_channel_series
        self.checkpointer: Checkpointer | None = Checkpointer(
            DiskStore(Path("journal")), JournalConfig(), ""
        )  # not opened: it has kept nothing
        self.checkpointer.checkpoint_seconds = START
        self.checkpointer.given_up["mqtt"] = 2
        self.history = HistoryKeeper(Path("journal/history.sqlite"), HistoryConfig(), 0, lambda model, version: "")
        self.history.state = replace(self.history.state, oldest_seconds=START)
        self.webhooks: Sequence[WebhookSink] = (WebhookSink(WebhookConfig(url="http://localhost/")),)
        artifact = Artifact(Path("m.pt"), "ab" * 32, self.model_group.manifest, MeanSquareScorer(), 256)
        self.artifacts: Mapping[str, Artifact] = {"m": artifact}
        self.standings: Mapping[str, Standing] = {"m": Standing("1")}
        self.registry: CollectorRegistry = registry_of(self)

    def send_garbage(self, topic: str) -> None:
        self.pipeline.step(MessageBatch.of([Message(topic, b"?", START)]), Moment(START, START))

    def set_clock(self, stream: str, ahead_seconds: float) -> None:
        """Let the clock of a stream's channels be ahead of others."""
        group = self.pipeline.model_groups["m"]
        number = group.streams.number[stream]
        group.windows.alignment.offset_seconds[group.windows.grid.groups_of(number)] = ahead_seconds

    def ask(self, stream: str) -> None:
        """Let the alert of a stream ask."""
        self.model_group.questions.asks_since_seconds[self.model_group.streams.number[stream]] = START

    def send(self, topic: str, value: float | None, samples: int = 8, first: int = 0) -> None:
        body = json.dumps({"t": START + first * PERIOD, "r": [[value, value and value / 2]] * samples}).encode()
        self.pipeline.step(MessageBatch.of([Message(topic, body, START + 1)]), Moment(START + 1, START + 1))

    def text(self) -> str:
        return "".join(expose(self.registry))

    def samples(self, name: str) -> list[Sample]:
        families = text_string_to_metric_families(self.text())
        return [sample for family in families for sample in family.samples if sample.name == name]

    def value(self, name: str, **labels: str) -> float:
        (found,) = [sample.value for sample in self.samples(name) if sample.labels == labels]
        return found


@pytest.fixture
def daemon() -> Daemon:
    """A daemon that has seen all there is: a calm stream, a firing one, a silent one, and what it must refuse."""
    made = Daemon()
    made.send("north/a/calm", CALM)
    made.send("north/a/wild", WILD)
    made.send("north/a/nan", None)
    made.send("north/a/nan", CALM, samples=3)  # again, in part
    made.pipeline.step(MessageBatch.of([Message("nowhere", b"", START)]), Moment(START, START))
    made.pipeline.step(MessageBatch.of([Message("residuald/calm/set/mute", b"2h", START)]), Moment(START, START))
    made.pipeline.step(MessageBatch.of([Message('residuald/calm/set/"\n', b"2h", START)]), Moment(START, START))
    made.pipeline.step(MessageBatch.of([Message("north/a/calm", b"?", START)]), Moment(START, START))
    return made


def test_deliveries_given_up_are_counted_from_0_for_each_sink_so_that_a_rule_sees_the_first(daemon: Daemon) -> None:
    assert daemon.checkpointer is not None
    daemon.checkpointer.given_up.clear()
    assert daemon.value("residuald_deliveries_given_up_total", sink="mqtt") == 0
    assert daemon.value("residuald_deliveries_given_up_total", sink=daemon.webhooks[0].name) == 0


def test_whatever_the_disk_did_not_keep_or_give_back_is_counted_by_its_reason(daemon: Daemon) -> None:
    assert daemon.checkpointer is not None
    daemon.checkpointer.dropped["error"] = 3
    daemon.checkpointer.discarded.update({"rings": 1, "something new": 2})
    assert daemon.value("residuald_journal_dropped_total", reason="error") == 3
    assert daemon.value("residuald_checkpoints_discarded_total", reason="rings") == 1
    assert daemon.value("residuald_checkpoints_discarded_total", reason="something new") == 2
    assert daemon.value("residuald_checkpoints_discarded_total", reason="version") == 0


def documented() -> set[str]:
    """The metrics of the table in docs/metrics.md; `process_*` and the like stay as they are."""
    text = PAGE.read_text(encoding="utf-8")
    table = text[text.index("| metric | labels |") :].split("\n\n")[0]
    return {name for row in table.splitlines()[2:] for name in re.findall(r"`([a-z_*]+)`", row.split("|")[1])}


def exported(daemon: Daemon) -> set[str]:
    """Names as one writes them in a query; of a histogram without its suffixes."""
    names = set()
    for family in text_string_to_metric_families(daemon.text()):
        found = {sample.name for sample in family.samples}
        names |= {family.name} if family.type == "histogram" else {name for name in found if "_created" not in name}
    return names


def test_every_documented_metric_is_exported_and_every_exported_one_documented(daemon: Daemon) -> None:
    for at in range(200):  # long enough for its sampling rate to be measured
        daemon.send("north/a/calm", CALM, samples=1, first=8 + at)
    daemon.send_garbage("north/a/never")
    daemon.set_clock("calm", 5.0)
    daemon.ask("wild")
    families = {name.removesuffix("*") for name in documented() if name.endswith("*")}
    ours = {name for name in exported(daemon) if name.startswith("residuald_")}
    assert ours == {name for name in documented() if not name.endswith("*")}
    for prefix in families:
        assert any(name.startswith(prefix) for name in exported(daemon)), prefix


def test_what_is_refused_of_a_stream_is_counted_by_stream_and_reason(daemon: Daemon) -> None:
    samples = {"stream": "nan", "model": "m", "reason": "duplicate"}
    assert daemon.value("residuald_stream_samples_discarded_total", **samples) == 3
    messages = {"stream": "calm", "model": "m", "reason": "malformed"}
    assert daemon.value("residuald_stream_messages_discarded_total", **messages) == 1
    assert len(daemon.samples("residuald_stream_samples_discarded_total")) == 1


def test_a_device_without_a_stream_is_counted_by_the_name_that_it_would_have(daemon: Daemon) -> None:
    daemon.send_garbage("north/a/never")
    labels = {"source": "vibration", "stream": "never", "reason": "malformed"}
    assert daemon.value("residuald_unopened_stream_messages_discarded_total", **labels) == 1


def test_only_clocks_that_are_off_are_shown(daemon: Daemon) -> None:
    assert not daemon.samples("residuald_channel_clock_offset_seconds")
    daemon.set_clock("wild", 5.0)
    labels = {"stream": "wild", "model": "m", "channel": "x"}
    assert daemon.value("residuald_channel_clock_offset_seconds", **labels) == 5
    assert len(daemon.samples("residuald_channel_clock_offset_seconds")) == 2  # of both channels that come together


def test_promtool_finds_no_fault(daemon: Daemon) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: apt install prometheus")
    done = subprocess.run(
        [promtool, "check", "metrics"], input=daemon.text(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_scored_stream_shows_its_error_its_score_and_its_state(daemon: Daemon) -> None:
    of = {"stream": "wild", "model": "m"}
    assert daemon.value("residuald_windows_scored_total", **of) == 1
    assert daemon.value("residuald_windows_anomalous_total", **of) == 1
    assert daemon.value("residuald_reconstruction_error", **of) == pytest.approx((9 + 2.25) / 2)
    assert daemon.value("residuald_window_score", **of) == pytest.approx((9 + 2.25) / 4)
    assert daemon.value("residuald_channel_error", stream="wild", model="m", channel="x") == 9
    assert daemon.value("residuald_channel_error", stream="wild", model="m", channel="y") == 2.25
    assert daemon.value("residuald_last_sample_timestamp_seconds", **of) == pytest.approx(START + 7 * PERIOD)
    assert daemon.value("residuald_alerts_active", phase="firing") == 1
    assert daemon.value("residuald_alerts_total", phase="firing") == 1


def test_alerts_that_fired_are_counted_by_stream_from_0_when_it_opens_however_short_they_are() -> None:
    daemon, of = Daemon(), {"stream": "d", "model": "m"}
    daemon.send("north/a/d", CALM, samples=1)
    assert daemon.value("residuald_stream_alerts_total", **of) == 0
    seen = []
    for at in range(0, 600, 8):
        daemon.send("north/a/d", WILD if at % 80 == 0 else CALM, first=1 + at)
        seen.append((daemon.value("residuald_stream_alerts_total", **of), at))
    assert daemon.value("residuald_alerts_total", phase="firing") == 8
    assert [count for count, at in seen if at % 80 == 72] == [1, 2, 3, 4, 5, 6, 7]
    assert daemon.value("residuald_stream_state", **of, state="firing") == 0


def test_alerts_of_a_process_before_are_not_counted_again(daemon: Daemon) -> None:
    assert daemon.value("residuald_stream_alerts_total", stream="wild", model="m") == 1
    successor = Daemon()
    successor.pipeline.restore(daemon.pipeline.snapshot())
    successor.send("north/a/other", WILD)  # out of the journal
    successor.pipeline.resume(START + 2)
    assert successor.value("residuald_stream_state", stream="wild", model="m", state="firing") == 1
    counts = {sample.labels["stream"]: sample.value for sample in successor.samples("residuald_stream_alerts_total")}
    assert {"calm", "wild", "nan", "other"} <= counts.keys()
    assert set(counts.values()) == {0}


def test_a_first_refusal_is_an_increase_where_a_rule_looks_for_one() -> None:
    daemon = Daemon()
    for reason in ("stream_limit", "stream_conflict"):
        assert daemon.value("residuald_messages_discarded_total", source="vibration", reason=reason) == 0


def test_it_is_told_which_model_judges_a_source_and_how_many_streams_there_may_be(daemon: Daemon) -> None:
    assert daemon.value("residuald_source_info", source="vibration", model="m") == 1
    assert daemon.value("residuald_streams_limit") == 10_000


def test_exactly_one_state_and_one_quality_of_a_stream_are_one(daemon: Daemon) -> None:
    for name, label, kinds in (
        ("residuald_stream_state", "state", {state.label for state in StreamState}),
        ("residuald_stream_quality", "quality", set(QUALITIES)),
    ):
        found = [sample for sample in daemon.samples(name) if sample.labels["stream"] == "wild"]
        assert {sample.labels[label] for sample in found} == kinds
        assert sorted(sample.value for sample in found) == [0] * (len(kinds) - 1) + [1]
    assert daemon.value("residuald_stream_state", stream="nan", model="m", state="withheld") == 1
    assert daemon.value("residuald_stream_quality", stream="nan", model="m", quality="non_finite") == 1


def test_what_is_not_known_is_left_out(daemon: Daemon) -> None:
    for name in ("residuald_reconstruction_error", "residuald_window_score", "residuald_channel_error"):
        assert {sample.labels["stream"] for sample in daemon.samples(name)} == {"calm", "wild"}
    shown = {sample.labels["stream"] for sample in daemon.samples("residuald_last_sample_timestamp_seconds")}
    assert shown == {"calm", "wild", "nan"}
    assert "nan" in {sample.labels["stream"] for sample in daemon.samples("residuald_stream_state")}
    assert "NaN" not in daemon.text()


def test_what_is_refused_and_withheld_is_counted_with_its_reason(daemon: Daemon) -> None:
    assert daemon.value("residuald_messages_received_total", source="vibration") == 5
    assert daemon.value("residuald_messages_received_total", source="none") == 1
    assert daemon.value("residuald_messages_discarded_total", source="none", reason="unknown_topic") == 1
    assert daemon.value("residuald_messages_discarded_total", source="vibration", reason="malformed") == 1
    assert daemon.value("residuald_samples_received_total", model="m") == 27
    assert daemon.value("residuald_samples_discarded_total", model="m", reason="duplicate") == 3
    assert daemon.value("residuald_windows_withheld_total", model="m", reason="non_finite") == 1


def test_a_stream_is_described_by_its_topic_and_no_placeholder_takes_the_place_of_a_label(daemon: Daemon) -> None:
    (found,) = [sample for sample in daemon.samples("residuald_stream_info") if sample.labels["stream"] == "calm"]
    assert found.labels == {"stream": "calm", "model": "m", "name": "calm", "site": "north", "device": "calm"}


def test_no_text_of_a_topic_can_break_out_of_its_label() -> None:
    daemon = Daemon()
    site = 'a"} 1\nresiduald_build_info{version="0.0\\'
    daemon.send(f"{site}/a/d", CALM)
    (found,) = daemon.samples("residuald_stream_info")
    assert found.labels["site"] == site.replace("\n", " ")
    assert [sample.labels["version"] for sample in daemon.samples("residuald_build_info")] == [__version__]


def test_a_stream_is_shown_as_its_topic_calls_it_and_what_others_send_in_its_name_is_counted() -> None:
    daemon = Daemon()
    daemon.send("north/a/Küche 1", CALM)
    assert daemon.value("residuald_stream_conflicts_total", stream="Kuche_1", model="m") == 0
    daemon.send("north/a/Kuche_1", CALM)
    (found,) = daemon.samples("residuald_stream_info")
    assert (found.labels["stream"], found.labels["name"]) == ("Kuche_1", "Küche 1")
    assert daemon.value("residuald_stream_conflicts_total", stream="Kuche_1", model="m") == 1
    assert daemon.value("residuald_streams_evicted_total", model="m") == 0


def test_series_of_a_stream_that_is_forgotten_are_gone(daemon: Daemon) -> None:
    daemon.pipeline.housekeep(Moment(START, START))
    daemon.pipeline.housekeep(Moment(START + 10_000, START + 10_000))
    assert 'stream="' not in daemon.text()
    assert daemon.value("residuald_streams", model="m") == 0
    assert daemon.value("residuald_alerts_active", phase="firing") == 0
    assert daemon.value("residuald_alerts_total", phase="resolved") == 1


def test_channel_errors_are_bounded() -> None:
    daemon = Daemon(max_channel_series=5)
    for device in "abc":
        daemon.send(f"north/a/{device}", CALM)
    assert len(daemon.samples("residuald_channel_error")) == 4  # of two whole streams


def test_the_daemon_says_what_it_is_and_what_it_runs_on(daemon: Daemon) -> None:
    assert daemon.value("residuald_build_info", version=__version__) == 1
    assert daemon.value("residuald_artifact_info", model="m", version="1", sha256="ab" * 32) == 1
    assert daemon.value("residuald_artifact_threshold", model="m") == 2
    rates = {rate: daemon.value("residuald_artifact_false_alarms_per_day", model="m", rate=rate) for rate in RATES}
    assert rates == {"asked": pytest.approx(1 / 30), "expected": 0.05}
    assert daemon.value("residuald_mqtt_connected") == 0
    assert daemon.value("residuald_config_last_reload_success_timestamp_seconds") == START + 1


def test_histograms_count_what_was_scored(daemon: Daemon) -> None:
    assert daemon.value("residuald_batch_windows_sum", model="m") == 2
    assert daemon.value("residuald_inference_seconds_count", model="m") == 2
    assert daemon.value("residuald_end_to_end_seconds_count") == 3
    buckets = daemon.samples("residuald_inference_seconds_bucket")
    assert buckets[-1].labels["le"] == "+Inf"


def test_streams_may_appear_and_expire_while_metrics_are_read() -> None:
    daemon = Daemon()
    done = threading.Event()
    problems: list[Exception] = []

    def scrape() -> None:
        while not done.is_set():
            try:
                daemon.text()
            except Exception as error:  # noqa: BLE001 - whatever it is, the test tells it
                problems.append(error)
                return

    reader = threading.Thread(target=scrape)
    reader.start()
    for at in range(300):
        daemon.send(f"north/a/d{at}", CALM)
        if at % 50 == 49:
            daemon.pipeline.retire(["m"])
    done.set()
    reader.join()
    assert not problems


def test_commands_are_counted_by_what_became_of_them_and_none_makes_a_label_of_its_own(daemon: Daemon) -> None:
    assert daemon.value("residuald_commands_total", command="mute", result="accepted") == 1
    assert daemon.value("residuald_commands_total", command="unknown", result="unknown_command") == 1
    assert daemon.value("residuald_muted_streams", model="m") == 1


def test_channels_that_cannot_be_trusted_are_counted_by_stream(daemon: Daemon) -> None:
    assert daemon.value("residuald_stream_masked_channels", stream="nan", model="m") == 2
    assert daemon.value("residuald_stream_masked_channels", stream="calm", model="m") == 0


def test_a_stream_is_shown_to_ask_only_while_it_does(daemon: Daemon) -> None:
    assert daemon.samples("residuald_stream_asks") == []
    daemon.ask("wild")
    assert daemon.value("residuald_stream_asks", stream="wild", model="m") == 1
    assert len(daemon.samples("residuald_stream_asks")) == 1
