"""The daemon and what it keeps on disk: killed, restarted, its files damaged, between a real broker and a device."""

import json
import random
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from monitor.adapters.engines.loader import load_artifact
from monitor.core.dataset.cutting import windows_of
from monitor.core.dataset.recording import Recording
from tests.broker import PATIENCE_SECONDS, Broker, Peer, wait_until
from tests.daemon import LENGTH, RATE_HZ, Daemon, SabotagedDaemon, config_text
from tests.machine import Machine

pytestmark = pytest.mark.integration

TOPIC, STREAM = "plant/north/press/hum", "north.press"


@pytest.fixture
def config(tmp_path: Path, persistent_broker: Broker, model: Path) -> Path:
    file = tmp_path / "monitor.toml"
    kept = f'[journal]\npath = "{tmp_path}/kept"\ncheckpoint_seconds = 1'
    file.write_text(config_text(persistent_broker.port, model, extra=kept, mqtt="reconnect_ceiling_seconds = 1"))
    return file


class Press(Machine):
    """A machine of which is known what has to come of what it sent."""

    def recording(self) -> Recording:
        samples = np.concatenate(self.rows).astype(np.float32)
        at = self.began + np.arange(len(samples)) / RATE_HZ
        return Recording(
            name="press",
            channels=("a", "b"),
            samples=samples,
            time_seconds=at,
            sample_period_seconds=1 / RATE_HZ,
            segment=np.zeros(len(samples), np.int64),
            labels=None,
        )


def steps(peer: Peer) -> list[tuple[str, str]]:
    told = [json.loads(payload) for payload in peer.payloads(f"residuald/{STREAM}/alert")]
    return [(step["id"], step["phase"]) for step in told]


def scored(daemon: Daemon) -> float | None:
    return daemon.value("residuald_windows_scored_total", stream=STREAM, model="hum")


def test_killed_at_random_moments_every_sample_is_in_its_windows_and_the_fault_is_one_alert(
    start: Callable[..., Daemon], config: Path, world: Peer, model: Path
) -> None:
    rng = random.Random(7)
    press = Press(world)
    daemon = start(config).wait_connected()
    for amplitude in (1.0, 4.0, 4.0, 1.0, 1.0):
        press.send(rng.randint(15, 40), amplitude)
        daemon.stop(signal.SIGKILL)
        press.send(rng.randint(1, 10), amplitude)
        daemon = start(config).wait_connected()
    press.send(20)
    artifact = load_artifact(model)
    windows = windows_of(press.recording(), artifact.manifest.window, 1 / RATE_HZ)
    wait_until(lambda: scored(daemon) == len(windows), f"{len(windows)} windows, not {scored(daemon)}")
    centre = np.asarray(artifact.manifest.normalization.centre, np.float32)[None]
    scale = np.asarray(artifact.manifest.normalization.scale, np.float32)[None]
    error = artifact.scorer.score(windows.values[-1:], centre, scale).error[0]
    assert daemon.value("residuald_reconstruction_error", stream=STREAM, model="hum") == pytest.approx(error, 1e-4)
    samples = len(press.recording().samples)
    assert daemon.value("residuald_samples_received_total", model="hum") == samples
    assert daemon.value("residuald_journal_messages_total") == samples / 10
    wait_until(lambda: len(steps(world)) == 3, "the alert is resolved")
    assert [phase for _, phase in steps(world)] == ["pending", "firing", "resolved"]
    assert len({alert for alert, _ in steps(world)}) == 1
    assert windows.end_seconds[0] == pytest.approx(press.recording().time_seconds[LENGTH - 1])


DIES_BEFORE_ITS_FIRST_COMMIT = """
import os, signal, time
from monitor.adapters.storage.disk_store import DiskStore
append = DiskStore.append
def die(self, record, *args):
    if record is not None:
        time.sleep(0.5)  # an acknowledgement that was on its way would be out by now
        os.kill(os.getpid(), signal.SIGKILL)
    return append(self, record, *args)
DiskStore.append = die
"""


def test_a_message_is_not_acknowledged_before_it_is_committed(
    start: Callable[..., Daemon], config: Path, world: Peer
) -> None:
    press = Press(world)
    dying = SabotagedDaemon(config, DIES_BEFORE_ITS_FIRST_COMMIT).wait_connected()
    press.send(10)
    assert dying.process.wait(PATIENCE_SECONDS) == -signal.SIGKILL
    daemon = start(config).wait_connected()
    wait_until(lambda: scored(daemon) == (100 - LENGTH) // 32 + 1, "the broker delivers it again")


def test_a_clean_stop_leaves_nothing_to_replay_and_nothing_is_lost(
    start: Callable[..., Daemon], config: Path, world: Peer
) -> None:
    press = Press(world)
    daemon = start(config).wait_connected()
    press.send(10)
    wait_until(lambda: daemon.value("residuald_journal_messages_total") == 10, "journaled")
    assert daemon.stop() == 0
    daemon = start(config).wait_connected()
    recovered = daemon.event("recovered")
    assert recovered is not None
    assert (recovered["streams"], recovered["messages"]) == (1, 0)
    press.send(10)
    wait_until(lambda: scored(daemon) == (200 - LENGTH) // 32 + 1, "all windows of both lives")


def test_a_damaged_database_is_moved_aside_told_and_replaced(
    start: Callable[..., Daemon], config: Path, world: Peer, tmp_path: Path
) -> None:
    press = Press(world)
    daemon = start(config).wait_connected()
    press.send(10)
    wait_until(lambda: daemon.value("residuald_journal_messages_total") == 10, "journaled")
    daemon.stop()
    (tmp_path / "kept" / "journal.sqlite").write_bytes(b"not a database at all " * 999)
    daemon = start(config).wait_connected()
    told = daemon.event("the journal is damaged; a fresh one was started")
    assert told is not None
    assert Path(str(told["moved_to"])).exists()
    assert daemon.value("residuald_journal_moved_aside_total") == 1
    assert daemon.get("/readyz")[0] == 200
    press.send(10)
    wait_until(lambda: scored(daemon) == (200 - LENGTH) // 32 + 1, "the checkpoint had what came before")
    wait_until(
        lambda: any(b'"moved_aside":1' in payload for payload in world.payloads("residuald/status/journal")),
        "the topic tells it",
    )


def test_a_place_that_cannot_be_written_is_told_and_the_daemon_scores_on(
    start: Callable[..., Daemon], config: Path, world: Peer, tmp_path: Path
) -> None:
    in_the_way = tmp_path / "kept" / "journal.sqlite"
    in_the_way.mkdir(parents=True)
    press = Press(world)
    daemon = start(config)
    wait_until(lambda: daemon.value("residuald_mqtt_connected") == 1, "connected")
    press.send(10)
    wait_until(lambda: scored(daemon) == (100 - LENGTH) // 32 + 1, "it scores on")
    status, text = daemon.get("/readyz")
    assert status == 503
    assert "a crash would lose data" in json.loads(text)["reasons"]["journal"]
    assert daemon.value("residuald_journal_healthy") == 0
    assert daemon.value("residuald_journal_dropped_total", reason="disk") == 10
    wait_until(
        lambda: any(b'"trouble"' in payload for payload in world.payloads("residuald/status/journal")),
        "the topic tells it",
    )
    in_the_way.rmdir()
    wait_until(lambda: daemon.get("/readyz")[0] == 200, "the journal is whole again by itself")


def test_the_state_directory_of_systemd_is_where_it_is_kept(
    start: Callable[..., Daemon], tmp_path: Path, persistent_broker: Broker, model: Path, world: Peer
) -> None:
    file = tmp_path / "monitor.toml"
    file.write_text(config_text(persistent_broker.port, model))
    daemon = start(file, STATE_DIRECTORY=str(tmp_path / "state")).wait_connected()
    daemon.stop()
    assert (tmp_path / "state" / "journal" / "journal.sqlite").exists()


def test_a_reload_with_other_sources_starts_streams_over_and_nothing_of_before_comes_back(
    start: Callable[..., Daemon], config: Path, world: Peer
) -> None:
    press = Press(world)
    daemon = start(config).wait_connected()
    press.send(10)
    wait_until(lambda: scored(daemon) == 2, "windows")
    config.write_text(config.read_text().replace("plant/{site}/{device}/hum", "hall/{site}/{device}/hum"))
    daemon.process.send_signal(signal.SIGHUP)
    wait_until(lambda: daemon.event("reloaded") is not None, "reloaded")
    assert daemon.value("residuald_streams", model="hum") == 0
    daemon.stop(signal.SIGKILL)
    daemon = start(config).wait_connected()
    assert daemon.value("residuald_streams", model="hum") == 0
