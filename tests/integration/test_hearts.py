"""Hearts, from simulated electrodes through the broker: beats are found, and alerts say what is odd about them."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.adapters.engines.loader import load_artifact
from monitor.core.dataset.cutting import windows_of
from monitor.core.dataset.recording import Recording
from monitor.simulators.ecg import Ecg
from monitor.simulators.fault import Fault
from tests.broker import Broker, Peer, wait_until
from tests.daemon import Daemon
from tests.forked import check_forked

pytestmark = pytest.mark.integration

RATE_HZ = 250.0
STREAM, TOPIC = "bed-1", "ward/bed-1/ecg"
CONFIG = """
[mqtt]
host = "127.0.0.1"
port = {port}
[http]
port = 0
[log]
format = "json"
[[model]]
name = "heart"
path = "{model}"
[[source]]
name = "hearts"
topic = "ward/{{bed}}/ecg"
model = "heart"
qos = 1
format = {{ kind = "json", timestamp = "ts", values = "values" }}
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of one patient, fitted as a user would."""
    folder = tmp_path_factory.mktemp("hearts")
    samples = Ecg(run=1).take(round(300 * RATE_HZ)).values.astype(np.float32)
    np.savez(folder / "patient.npz", samples=samples, channels=["lead_ii"], sample_rate_hz=RATE_HZ)
    out = folder / "models" / "heart"
    fit = ["fit", "--data", str(folder / "patient.npz"), "--out", str(out), "--kind", "ecg", "--family", "pca"]
    check_forked("residuald-trainer", *fit)
    return out


@pytest.fixture
def daemon(tmp_path: Path, broker: Broker, model: Path) -> Iterator[Daemon]:
    config = tmp_path / "monitor.toml"
    config.write_text(CONFIG.format(port=broker.port, model=model))
    started = Daemon(config)
    try:
        yield started.wait_connected()
    finally:
        started.stop()


class Patient:
    """An electrode that publishes what it measures, in messages of 0.4 s, from ten minutes ago on."""

    def __init__(self, peer: Peer, *faults: Fault) -> None:
        self._peer, self._heart, self._sent = peer, Ecg(run=2, faults=faults), 0
        self._began = round(time.time()) - 600.0
        self._parts: list[np.ndarray] = []

    def send(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.4)):
            values = self._heart.take(100).values[:, 0].round(4)
            body = {"ts": self._began + self._sent / RATE_HZ, "values": values.tolist()}
            self._peer.publish(TOPIC, json.dumps(body).encode(), qos=1)
            self._sent += len(values)
            self._parts.append(values)

    def recording(self) -> Recording:
        samples = np.concatenate(self._parts).astype(np.float32)[:, None]
        at = self._began + np.arange(len(samples)) / RATE_HZ
        return Recording(STREAM, ("lead_ii",), samples, at, 1 / RATE_HZ, None, np.zeros(len(samples), np.int64))


def steps(peer: Peer) -> list[dict[str, Any]]:
    return [json.loads(payload) for payload in peer.payloads(f"residuald/{STREAM}/alert")]


def fired(peer: Peer) -> list[dict[str, Any]]:
    return [step for step in steps(peer) if step["phase"] == "firing"]


def test_every_beat_is_judged_and_a_healthy_heart_alarms_nobody(daemon: Daemon, peer: Peer, model: Path) -> None:
    peer.listen("residuald/#")
    patient = Patient(peer)
    patient.send(60)
    windows = windows_of(patient.recording(), load_artifact(model).manifest.window, 1 / RATE_HZ)
    assert 50 < len(windows) < 100
    wait_until(
        lambda: daemon.value("residuald_windows_scored_total", stream=STREAM, model="heart") == len(windows),
        f"{len(windows)} beats",
    )
    assert fired(peer) == []
    state = json.loads(peer.payloads(f"residuald/{STREAM}/state")[-1])
    assert state["channel"] in {"lead_ii", "rr", "rr_change"}


def test_an_arrhythmia_becomes_an_alert_that_names_the_channel_that_shows_it(daemon: Daemon, peer: Peer) -> None:
    peer.listen("residuald/#")
    Patient(peer, Fault(name="pvc", onset_seconds=20, severity=1.0)).send(60)
    wait_until(lambda: bool(fired(peer)), "the alert fires")
    alert = fired(peer)[0]
    assert set(alert["channels"]) == {"lead_ii", "rr", "rr_change"}
    assert alert["channel"] in alert["channels"]
    assert alert["score"] > 1


def test_a_lead_that_comes_off_is_an_alert_by_its_missing_beats(daemon: Daemon, peer: Peer) -> None:
    peer.listen("residuald/#")
    Patient(peer, Fault(name="lead_off", onset_seconds=20)).send(40)
    wait_until(lambda: bool(fired(peer)), "the alert fires")
    assert fired(peer)[0]["channel"] in {"rr", "rr_change"}
    no_beat = {"stream": STREAM, "model": "heart", "quality": "no_beat"}
    wait_until(lambda: daemon.value("residuald_stream_quality", **no_beat) == 1, "no_beat")
