"""Commands of operators to the real daemon, through a real broker, also while it is killed."""

import json
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.broker import PATIENCE_SECONDS, Broker, Peer, wait_until
from tests.daemon import RATE_HZ, Daemon, SabotagedDaemon, config_text, wave
from tests.machine import Machine

pytestmark = pytest.mark.integration

STREAM = "north.press"
ON = "commands = true\nreconnect_ceiling_seconds = 1"


@pytest.fixture
def configure(tmp_path: Path, persistent_broker: Broker, model: Path) -> Callable[..., Path]:
    def write(mqtt: str = ON, checkpoint_seconds: float = 1, qos: int = 1) -> Path:
        file = tmp_path / "monitor.toml"
        kept = f'[journal]\npath = "{tmp_path}/kept"\ncheckpoint_seconds = {checkpoint_seconds}'
        file.write_text(config_text(persistent_broker.port, model, extra=kept, mqtt=mqtt, qos=qos))
        return file

    return write


class Operator(Machine):
    """A machine, and who looks after it."""

    def command(self, kind: str, payload: bytes = b"", stream: str = STREAM, *, retain: bool = False) -> None:
        self.peer.publish(f"residuald/{stream}/set/{kind}", payload, qos=1, retain=retain)

    def phases(self) -> list[str]:
        return [json.loads(payload)["phase"] for payload in self.peer.payloads(f"residuald/{STREAM}/alert")]

    def muted_until(self) -> float | None:
        """What the last retained state says; -1 while there is none."""
        states = self.peer.payloads(f"residuald/{STREAM}/state")
        return json.loads(states[-1])["muted_until"] if states and states[-1] else -1


def anomalous(daemon: Daemon) -> float:
    return daemon.value("residuald_windows_anomalous_total", stream=STREAM, model="hum") or 0


def accepted(daemon: Daemon, kind: str = "mute") -> float | None:
    return daemon.value("residuald_commands_total", command=kind, result="accepted")


def test_a_muted_machine_raises_no_alert_says_so_and_raises_one_when_the_mute_has_ended_by_itself(
    start_connected: Callable[[Path], Daemon], configure: Callable[..., Path], world: Peer
) -> None:
    operator, daemon = Operator(world), start_connected(configure())
    operator.send(40)
    operator.send(40, amplitude=4.0)
    wait_until(lambda: operator.phases() == ["pending", "firing"], "an alert")
    before = time.time()
    operator.command("mute", b'{"seconds": 6}')
    wait_until(lambda: operator.phases() == ["pending", "firing", "resolved"], "the mute resolves it")
    wait_until(lambda: (operator.muted_until() or 0) > before, "the state says it")
    assert daemon.value("residuald_muted_streams", model="hum") == 1
    had = anomalous(daemon)
    operator.send(40, amplitude=4.0)
    wait_until(lambda: anomalous(daemon) > had, "it is scored all the same")
    assert daemon.value("residuald_muted_streams", model="hum") == 1, "too slow for this test to say anything"
    assert len(operator.phases()) == 3
    wait_until(lambda: operator.muted_until() is None, "it ends by itself")
    assert time.time() >= before + 6
    assert daemon.value("residuald_muted_streams", model="hum") == 0
    operator.send(40, amplitude=4.0)
    wait_until(lambda: operator.phases()[3:] == ["pending", "firing"], "the next alert")


def test_a_kill_neither_loses_nor_repeats_a_mute(
    start_connected: Callable[[Path], Daemon], configure: Callable[..., Path], world: Peer
) -> None:
    config = configure(checkpoint_seconds=3600)
    operator, daemon = Operator(world), start_connected(config)
    operator.send(40)
    operator.command("mute", b"2h")
    wait_until(lambda: bool(operator.muted_until() or 0) and operator.muted_until() != -1, "muted")
    until = operator.muted_until()
    daemon.stop(signal.SIGKILL)
    operator.send(40, amplitude=4.0)  # for the broker to keep
    daemon = start_connected(config)
    wait_until(lambda: anomalous(daemon) > 5, "scored")
    assert accepted(daemon) == 1
    wait_until(lambda: operator.muted_until() == until, "the end has not moved")
    operator.command("mute", b"")
    wait_until(lambda: operator.muted_until() is None, "the operator ends it")
    assert operator.phases() == []
    daemon.stop(signal.SIGKILL)
    operator.send(40, amplitude=4.0)
    daemon = start_connected(config)
    wait_until(lambda: operator.phases() == ["pending", "firing"], "an alert, as the mute is over for good")
    assert accepted(daemon) == 2


DIES_AFTER_IT_HAS_COMMITTED_A_COMMAND = """
import os, signal
from monitor.adapters.storage.disk_store import DiskStore
append = DiskStore.append
def die(self, record, *args):
    known = append(self, record, *args)
    if record is not None and b"/set/mute" in record:
        os.kill(os.getpid(), signal.SIGKILL)
    return known
DiskStore.append = die
"""


def test_a_command_whose_acknowledgement_was_lost_is_not_applied_twice(
    start_connected: Callable[[Path], Daemon], configure: Callable[..., Path], world: Peer
) -> None:
    config = configure(checkpoint_seconds=3600)
    operator = Operator(world)
    dying = SabotagedDaemon(config, DIES_AFTER_IT_HAS_COMMITTED_A_COMMAND).wait_connected()
    operator.send(40)
    wait_until(lambda: dying.value("residuald_windows_scored_total", stream=STREAM, model="hum") == 11, "scored")
    operator.command("mute", b"2h")
    assert dying.process.wait(PATIENCE_SECONDS) == -signal.SIGKILL
    daemon = start_connected(config)
    operator.send(40, amplitude=4.0)
    wait_until(lambda: anomalous(daemon) > 5, "what comes after it is scored")
    assert accepted(daemon) == 1
    assert operator.phases() == []


def test_a_mute_of_a_stream_that_the_journal_does_not_know_is_safe_with_the_next_checkpoint(
    start_connected: Callable[[Path], Daemon], configure: Callable[..., Path], world: Peer
) -> None:
    config = configure(checkpoint_seconds=3600, qos=0)
    operator, daemon = Operator(world, qos=0), start_connected(config)
    operator.send(40)
    wait_until(lambda: operator.muted_until() is None, "a stream")
    when = "residuald_checkpoint_timestamp_seconds"
    for payload in (b"1h", b"2h"):  # the first checkpoint of all is written at once in any case
        before = daemon.value(when)
        operator.command("mute", payload)
        wait_until(partial(_is_newer, daemon, when, before), "a checkpoint, and soon")
    daemon.stop(signal.SIGKILL)
    daemon = start_connected(config)
    assert daemon.value("residuald_muted_streams", model="hum") == 1


def _is_newer(daemon: Daemon, name: str, before: float | None) -> bool:
    return daemon.value(name) != before


def test_a_stream_belongs_to_its_topic_over_a_kill_until_an_operator_forgets_it_for_good(
    start_connected: Callable[[Path], Daemon], configure: Callable[..., Path], world: Peer
) -> None:
    config = configure(checkpoint_seconds=3600)
    operator, daemon = Operator(world), start_connected(config)
    first, second, sent = "plant/a.b/c/hum", "plant/a/b.c/hum", 0

    def send(topic: str) -> None:
        nonlocal sent
        body = json.dumps({"ts": time.time() - 600 + sent / RATE_HZ, "rows": wave(sent, 10).tolist()})
        world.publish(topic, body.encode(), qos=1)
        sent += 10

    def conflicts() -> float | None:
        return daemon.value("residuald_stream_conflicts_total", stream="a.b.c", model="hum")

    def owner_site() -> str:
        names = [dict(labels) for (name, labels), _ in daemon.metrics().items() if name == "residuald_stream_info"]
        return next((labels["site"] for labels in names if labels["stream"] == "a.b.c"), "")

    send(first)
    wait_until(lambda: conflicts() == 0, "a stream")
    daemon.stop(signal.SIGKILL)
    daemon = start_connected(config)
    send(second)
    wait_until(lambda: conflicts() == 1, "the other topic is refused")
    entry = daemon.event("discarded") or {}
    assert (entry["reason"], entry["stream"], entry["topic"]) == ("stream_conflict", "a.b.c", second)
    assert first in str(entry["detail"])
    assert owner_site() == "a.b"
    operator.command("forget", stream="a.b.c")
    wait_until(lambda: accepted(daemon, "forget") == 1, "forgotten")
    send(second)
    wait_until(lambda: owner_site() == "a", "it belongs to the next topic that came")
    daemon.stop(signal.SIGKILL)
    daemon = start_connected(config)
    assert owner_site() == "a"
    assert accepted(daemon, "forget") == 1
    send(first)
    wait_until(lambda: conflicts() == 1, "and the first is refused")


def test_refused_commands_are_counted_and_nothing_comes_of_them(
    start_connected: Callable[[Path], Daemon], configure: Callable[..., Path], world: Peer
) -> None:
    operator = Operator(world)
    operator.command("mute", b"2h", retain=True)  # before anybody listens
    daemon = start_connected(configure())
    operator.send(40)
    wait_until(lambda: operator.muted_until() is None, "a stream")
    operator.command("mute", b"2h", stream="south.press")
    operator.command("mute", b"60d")
    operator.command("mute", bytes(100_000))
    operator.command("mute", b"for a while\n\x1b[31m")
    operator.command("relearn")  # the model is normalized by fixed numbers
    operator.command("explode", b"2h")
    operator.command('mu"te', b"2h")
    wanted = {
        ("mute", "retained"): 1,
        ("mute", "unknown_stream"): 1,
        ("mute", "bad_duration"): 1,
        ("mute", "too_large"): 1,
        ("mute", "malformed"): 1,
        ("relearn", "not_learnt"): 1,
        ("unknown", "unknown_command"): 2,
    }

    def counted() -> dict[tuple[str, str], float]:
        return {
            (dict(labels)["command"], dict(labels)["result"]): value
            for (name, labels), value in daemon.metrics().items()
            if name == "residuald_commands_total"
        }

    wait_until(lambda: counted() == wanted, f"{wanted}, not {counted()}")
    assert operator.muted_until() is None
    refusals = [entry for entry in daemon.log() if entry["event"] == "discarded"]
    assert len(refusals) == len(wanted)
    assert {entry["source"] for entry in refusals} == {"commands"}
    operator.send(40, amplitude=4.0)
    wait_until(lambda: operator.phases() == ["pending", "firing"], "alerts come as ever")


def reload(daemon: Daemon) -> None:
    when = "residuald_config_last_reload_success_timestamp_seconds"
    before = daemon.value(when)
    daemon.process.send_signal(signal.SIGHUP)
    wait_until(lambda: daemon.value(when) != before, "reloaded")
    daemon.wait_connected()


def test_commands_are_applied_only_when_the_configuration_says_so_also_after_a_reload(
    start_connected: Callable[[Path], Daemon], configure: Callable[..., Path], world: Peer
) -> None:
    config = configure(mqtt="reconnect_ceiling_seconds = 1")
    operator, daemon = Operator(world), start_connected(config)
    operator.send(40)
    wait_until(lambda: operator.muted_until() is None, "a stream")
    operator.command("mute", b"2h")
    operator.send(40, amplitude=4.0)
    wait_until(lambda: operator.phases() == ["pending", "firing"], "an alert")
    assert daemon.value("residuald_messages_received_total", source="none") == 0
    assert accepted(daemon) is None
    configure()
    reload(daemon)
    operator.command("mute", b"2h")
    wait_until(lambda: operator.phases() == ["pending", "firing", "resolved"], "the stream went on, and is muted")
    configure(mqtt="reconnect_ceiling_seconds = 1")
    reload(daemon)
    assert daemon.value("residuald_muted_streams", model="hum") == 1  # what was said before holds
    operator.command("mute", b"0")
    operator.send(40, amplitude=4.0)
    wait_until(lambda: daemon.value("residuald_samples_received_total", model="hum") == 1200, "all samples")
    assert daemon.value("residuald_muted_streams", model="hum") == 1
