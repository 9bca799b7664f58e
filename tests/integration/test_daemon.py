"""The daemon as a process, between a real broker and whoever asks it over HTTP."""

import hashlib
import json
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.broker import PATIENCE_SECONDS, Broker, Peer, wait_until
from tests.daemon import RATE_HZ, Daemon, config_text, running_daemon, wave
from tests.forked import check_forked, run_forked
from tests.machine import Machine

pytestmark = pytest.mark.integration


@pytest.fixture
def daemon(tmp_path: Path, broker: Broker, model: Path) -> Iterator[Daemon]:
    with running_daemon(tmp_path, broker, model) as started:
        yield started


def _is(wanted: float | None, value: Callable[[], float | None]) -> bool:
    return value() == wanted


def _is_not(unwanted: float | None, value: Callable[[], float | None]) -> bool:
    return value() != unwanted


def steps(peer: Peer, stream: str) -> list[dict[str, Any]]:
    return [json.loads(seen.payload) for seen in list(peer.seen) if seen.topic == f"residuald/{stream}/alert"]


def last_state(peer: Peer, stream: str) -> dict[str, object] | None:
    states = [seen.payload for seen in list(peer.seen) if seen.topic == f"residuald/{stream}/state"]
    return json.loads(states[-1]) if states and states[-1] else None


def test_a_fault_becomes_one_alert_from_pending_to_resolved_on_mqtt_and_in_the_metrics(
    daemon: Daemon, peer: Peer
) -> None:
    peer.listen("residuald/#")
    machine = Machine(peer)
    machine.send(40)
    wait_until(lambda: (last_state(peer, "north.press") or {}).get("state") == "normal", "a normal state")
    machine.send(40, amplitude=4.0)
    wait_until(lambda: len(steps(peer, "north.press")) >= 2, "the alert fires")
    firing = steps(peer, "north.press")[1]
    assert firing["phase"] == "firing"
    assert firing["channel"] == "a"
    assert firing["score"] > 1
    of = {"stream": "north.press", "model": "hum"}
    wait_until(lambda: daemon.value("residuald_stream_state", **of, state="firing") == 1, "the metric")
    assert daemon.value("residuald_alerts_total", phase="firing") == 1
    machine.send(60)
    wait_until(lambda: len(steps(peer, "north.press")) == 3, "the alert is resolved")
    assert [step["phase"] for step in steps(peer, "north.press")] == ["pending", "firing", "resolved"]
    assert len({step["id"] for step in steps(peer, "north.press")}) == 1
    wait_until(lambda: (last_state(peer, "north.press") or {}).get("state") == "normal", "normal again")


def test_every_sample_published_is_counted_and_every_window_scored(daemon: Daemon, peer: Peer) -> None:
    machine = Machine(peer)
    machine.send(100)
    wait_until(lambda: daemon.value("residuald_samples_received_total", model="hum") == 1000, "all samples")
    wanted = (1000 - 64) // 32 + 1
    wait_until(
        lambda: daemon.value("residuald_windows_scored_total", stream="north.press", model="hum") == wanted, "windows"
    )
    assert daemon.value("residuald_messages_received_total", source="machines") == 100


def test_what_cannot_be_used_is_counted_with_its_reason_and_the_rest_goes_on(daemon: Daemon, peer: Peer) -> None:
    topic = "plant/north/press/hum"
    bad = {
        "malformed": b"{not json",
        "wrong_shape": b'{"ts": 1, "rows": [[1, 2, 3]]}',
        "missing_field": b'{"rows": [[1, 2]]}',
        "bad_timestamp": b'{"ts": -5, "rows": [[1, 2]]}',
        "empty": b"",
    }
    for payload in bad.values():
        peer.publish(topic, payload, qos=1)
    peer.publish(f"plant/north/{'x' * 129}/hum", b'{"ts": 1, "rows": [[1, 2]]}', qos=1)
    discarded = partial(daemon.value, "residuald_messages_discarded_total", source="machines")
    for reason in [*bad, "bad_name"]:
        wait_until(partial(_is, 1, partial(discarded, reason=reason)), reason)
    Machine(peer).send(20)
    wait_until(
        lambda: daemon.value("residuald_windows_scored_total", stream="north.press", model="hum") == 5, "good messages"
    )


def test_a_message_of_100_megabytes_is_refused_and_forgotten(daemon: Daemon, peer: Peer) -> None:
    peer.publish("plant/north/press/hum", bytes(100_000_000), qos=0)
    wait_until(
        lambda: daemon.value("residuald_messages_discarded_total", source="machines", reason="too_large") == 1,
        "refused",
    )
    resident = daemon.value("process_resident_memory_bytes")
    assert resident is not None
    assert resident < 600e6
    Machine(peer).send(20)
    wait_until(lambda: daemon.value("residuald_samples_received_total", model="hum") == 200, "the next messages")


def test_nan_is_withheld_and_never_shown_as_zero(daemon: Daemon, peer: Peer) -> None:
    began = time.time()
    for at in range(0, 100, 10):
        rows = [[None, 1.0]] * 10
        peer.publish("plant/north/press/hum", json.dumps({"ts": began + at / RATE_HZ, "rows": rows}).encode(), qos=1)
    wait_until(
        lambda: daemon.value("residuald_windows_withheld_total", model="hum", reason="non_finite") == 2, "withheld"
    )
    assert daemon.value("residuald_stream_quality", stream="north.press", model="hum", quality="non_finite") == 1
    assert daemon.value("residuald_stream_state", stream="north.press", model="hum", state="withheld") == 1
    assert daemon.value("residuald_window_score", stream="north.press", model="hum") is None


def test_the_offset_of_a_devices_clock_is_shown(daemon: Daemon, peer: Peer) -> None:
    payload = {"ts": time.time() - 20, "rows": wave(0, 10).tolist()}
    peer.publish("plant/north/slow/hum", json.dumps(payload).encode(), qos=1)
    name = "residuald_stream_clock_offset_seconds"
    wait_until(lambda: daemon.value(name, stream="north.slow", model="hum") is not None, "the offset")
    offset = daemon.value(name, stream="north.slow", model="hum")
    assert offset is not None
    assert -20 - PATIENCE_SECONDS < offset < -19


def test_streams_beyond_the_limit_are_refused(tmp_path: Path, broker: Broker, peer: Peer, model: Path) -> None:
    with running_daemon(tmp_path, broker, model, extra="[limits]\nmax_streams = 2") as daemon:
        for name in ("one", "two"):
            Machine(peer, name).send(20)  # what has given a window does not make room for another
        wait_until(
            lambda: (
                sum(
                    daemon.value("residuald_windows_scored_total", stream=f"north.{name}", model="hum") or 0
                    for name in ("one", "two")
                )
                == 10
            ),
            "windows of both",
        )
        Machine(peer, "three").send(1)
        wait_until(
            lambda: daemon.value("residuald_messages_discarded_total", source="machines", reason="stream_limit") == 1,
            "the third is refused",
        )
        assert daemon.value("residuald_streams", model="hum") == 2


def test_sigterm_stops_within_five_seconds_with_what_came_scored_and_offline_retained(
    daemon: Daemon, peer: Peer, broker: Broker
) -> None:
    peer.listen("residuald/status")
    wait_until(lambda: [seen.payload for seen in peer.seen] == [b"online"], "online")
    Machine(peer).send(30)
    began = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - began < 5
    wait_until(lambda: peer.seen[-1].payload == b"offline", "offline")


def test_the_last_will_says_offline_after_a_kill(daemon: Daemon, peer: Peer) -> None:
    peer.listen("residuald/status")
    wait_until(lambda: bool(peer.seen), "online")
    daemon.stop(signal.SIGKILL)
    wait_until(lambda: peer.seen[-1].payload == b"offline", "offline")


def test_a_reload_takes_a_new_artifact_and_keeps_streams(
    daemon: Daemon, peer: Peer, model: Path, newer_model: Path
) -> None:
    Machine(peer).send(20)
    wait_until(lambda: daemon.value("residuald_streams", model="hum") == 1, "a stream")
    daemon.config.write_text(daemon.config.read_text().replace(f'path = "{model}"', f'path = "{newer_model}"'))
    daemon.process.send_signal(signal.SIGHUP)
    wait_until(lambda: daemon.event("reloaded") is not None, "reloaded")
    assert daemon.value("residuald_config_last_reload_successful") == 1
    running, reloaded = daemon.event("running"), daemon.event("reloaded")
    assert running is not None
    assert reloaded is not None
    assert running["models"] != reloaded["models"]
    assert daemon.value("residuald_streams", model="hum") == 1
    scored = daemon.value("residuald_windows_scored_total", stream="north.press", model="hum")
    assert scored == 5


def test_a_new_current_artifact_is_taken_by_itself_without_a_signal(
    tmp_path: Path, broker: Broker, peer: Peer, model: Path, newer_model: Path
) -> None:
    watched = Path(shutil.copytree(model, tmp_path / "watched", symlinks=True))
    with running_daemon(tmp_path, broker, watched) as daemon:
        machine = Machine(peer)
        machine.send(20)
        newer = (newer_model / "current").resolve()
        shutil.copy(newer, watched / newer.name)
        (watched / "next").symlink_to(newer.name)
        (watched / "next").replace(watched / "current")
        wait_until(lambda: daemon.event("reloaded") is not None, "reloaded")
        reloaded = daemon.event("reloaded")
        assert reloaded is not None
        assert reloaded["models"] == {"hum": newer.stem}
        machine.send(20)
        wait_until(lambda: daemon.value("residuald_samples_received_total", model="hum") == 400, "all samples")
        assert daemon.value("residuald_streams", model="hum") == 1


def test_a_candidate_whose_checks_hold_is_promoted_beside_an_open_alert_and_told_as_a_retained_state(
    tmp_path: Path, broker: Broker, peer: Peer, model: Path, newer_model: Path
) -> None:
    watched = Path(shutil.copytree(model, tmp_path / "hum", symlinks=True))
    first, newer = (folder.joinpath("current").resolve() for folder in (watched, newer_model))
    inbox = watched / "candidates"
    inbox.mkdir()
    shutil.copy(newer, inbox)
    told = {"version": newer.stem, "sha256": hashlib.sha256(newer.read_bytes()).hexdigest(), "by": "refit"}
    with running_daemon(tmp_path, broker, watched) as daemon:
        peer.listen("residuald/+/alert")
        peer.listen("residuald/model/hum/state")
        machine = Machine(peer)
        machine.send(20, amplitude=4.0)
        wait_until(lambda: [each["phase"] for each in steps(peer, "north.press")] == ["pending", "firing"], "it fires")
        for holds in (False, True):
            check = {"name": "recall", "holds": holds, "text": "slow ramps are found"}
            at = datetime.now(UTC).isoformat()
            proposal = json.dumps(told | {"at": at, "parent": first.stem, "checks": [check]})
            (inbox / "new").write_text(proposal)
            (inbox / "new").replace(inbox / f"{newer.stem}.json")
            wanted = 2.0 if holds else 1.0
            wait_until(
                lambda wanted=wanted: (  # type: ignore[misc]
                    daemon.value("residuald_model_generation", model="hum") == wanted
                    and daemon.value("residuald_model_candidate_waiting", model="hum") == 2 - wanted
                ),
                "waits, then is promoted",
            )
        machine.send(60)
        wait_until(lambda: [each["phase"] for each in steps(peer, "north.press")][2:] == ["resolved"], "it is resolved")
        states = [json.loads(each) for each in peer.payloads("residuald/model/hum/state")]
        assert [(each["version"], each["candidate"] is None) for each in states][-2:] == [
            (first.stem, False),
            (newer.stem, True),
        ]
        assert states[-2]["candidate"]["reasons"] == ["slow ramps are found"]
        assert daemon.value("residuald_streams", model="hum") == 1
        assert daemon.event("a candidate waits") is not None
    assert (watched / "current").readlink() == Path(newer.name)


def test_reloads_under_load_lose_nothing_and_score_nothing_twice(daemon: Daemon, peer: Peer) -> None:
    peer.listen("residuald/+/alert")
    machine = Machine(peer)
    text = daemon.config.read_text()
    loaded = "residuald_config_last_reload_success_timestamp_seconds"
    for number in range(6):
        before = daemon.value(loaded)
        machine.send(25)
        # in turn: the same again, another limit (a new pipeline), another keep-alive (a new connection)
        limit, keepalive = 70 + number % 2, 30 + number // 2
        changed = text.replace("[mqtt]", f"[mqtt]\nkeepalive_seconds = {keepalive}")
        daemon.config.write_text(f"{changed}\n[limits]\nmax_streams = {limit}\n")
        daemon.process.send_signal(signal.SIGHUP)
        machine.send(25, amplitude=4.0 if number == 3 else 1.0)
        wait_until(partial(_is_not, before, partial(daemon.value, loaded)), "reloaded")
    machine.send(60)
    sent = 6 * 500 + 600
    wait_until(lambda: daemon.value("residuald_samples_received_total", model="hum") == sent, "all samples")
    wanted = (sent - 64) // 32 + 1
    wait_until(
        lambda: daemon.value("residuald_windows_scored_total", stream="north.press", model="hum") == wanted, "windows"
    )
    assert daemon.value("residuald_streams", model="hum") == 1
    wait_until(lambda: len(steps(peer, "north.press")) == 3, "the alert is resolved")
    assert [step["phase"] for step in steps(peer, "north.press")] == ["pending", "firing", "resolved"]
    assert len({step["id"] for step in steps(peer, "north.press")}) == 1


def test_a_failed_reload_keeps_the_old_configuration_and_says_so(daemon: Daemon, peer: Peer) -> None:
    daemon.config.write_text(daemon.config.read_text() + '\n[limits]\nmax_stream = "many"\n')
    daemon.process.send_signal(signal.SIGHUP)
    wait_until(lambda: daemon.value("residuald_config_last_reload_successful") == 0, "the gauge")
    status, text = daemon.get("/readyz")
    assert status == 503
    assert "config" in json.loads(text)["reasons"]
    Machine(peer).send(20)
    wait_until(lambda: daemon.value("residuald_samples_received_total", model="hum") == 200, "it goes on")


def test_without_a_broker_it_runs_says_so_and_connects_when_there_is_one(
    tmp_path: Path, broker: Broker, model: Path
) -> None:
    broker.stop()
    config = tmp_path / "monitor.toml"
    config.write_text(config_text(broker.port, model, mqtt="reconnect_ceiling_seconds = 1"))
    daemon = Daemon(config).wait_running()
    try:
        wait_until(lambda: daemon.get("/readyz")[0] == 503, "not ready")
        assert daemon.get("/healthz")[0] == 200
        broker.start()
        wait_until(lambda: daemon.get("/readyz")[0] == 200, "ready")
    finally:
        daemon.stop()


def test_a_taken_port_is_exit_code_69(tmp_path: Path, broker: Broker, model: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = tmp_path / "monitor.toml"
        text = config_text(broker.port, model).replace("port = 0", f"port = {taken.getsockname()[1]}")
        config.write_text(text)
        done = run_forked("residuald", "run", "--config", config)
    assert done.returncode == 69
    assert "cannot serve HTTP" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_damaged_artifact_is_exit_code_78_and_says_which(tmp_path: Path, broker: Broker, model: Path) -> None:
    broken = tmp_path / "broken.pt"
    data = bytearray((model / "current").read_bytes())
    data[len(data) // 2 :] = os.urandom(len(data) - len(data) // 2)
    broken.write_bytes(data)
    config = tmp_path / "monitor.toml"
    config.write_text(config_text(broker.port, broken))
    done = run_forked("residuald", "run", "--config", config)
    assert done.returncode == 78
    assert "model[0].path" in done.stderr
    assert "Traceback" not in done.stderr


def test_systemd_hears_ready_watchdog_and_stopping(tmp_path: Path, broker: Broker, model: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.setblocking(False)
        config = tmp_path / "monitor.toml"
        config.write_text(config_text(broker.port, model))
        daemon = Daemon(config, NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="2000000")
        heard: list[str] = []

        def hears(text: str) -> bool:
            while True:
                try:
                    heard.append(systemd.recv(4096).decode())
                except BlockingIOError:
                    return any(text in message for message in heard)

        try:
            for text in ("READY=1", "WATCHDOG=1", "STATUS=connected"):
                wait_until(partial(hears, text), text)
            daemon.process.send_signal(signal.SIGTERM)
            wait_until(lambda: hears("STOPPING=1"), "STOPPING=1")
        finally:
            daemon.stop()


def test_replay_gives_the_scores_of_evaluate(tmp_path: Path, model: Path) -> None:
    samples = np.concatenate([wave(0, 700), wave(700, 300, 3.0)]).astype(np.float32)
    data, scores = tmp_path / "mixed.npz", tmp_path / "scores.csv"
    labels = (np.arange(1000) >= 700).astype(np.int8)
    np.savez(data, samples=samples, channels=["a", "b"], sample_rate_hz=RATE_HZ, labels=labels)
    check_forked("residuald-trainer", "evaluate", "--model", model, "--data", data, "--scores", scores)
    replayed = check_forked("residuald", "replay", "--model", model, data)
    windows = [line for line in map(json.loads, replayed.splitlines()) if line["kind"] == "window"]
    table = np.genfromtxt(scores, delimiter=",", names=True, dtype=None, encoding="utf-8")
    assert len(windows) == len(table) > 20
    np.testing.assert_allclose([w["error"] for w in windows], table["error"], rtol=1e-5)
    np.testing.assert_allclose([w["time"] for w in windows], table["end_seconds"], atol=1e-6)
