"""Labels from operators to the real daemon, through a real broker and beside it, also while it is killed."""

import json
import signal
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from monitor.core.history.label import OPEN, Label
from monitor.readers.history import History
from tests.broker import PATIENCE_SECONDS, Broker, Peer, wait_until
from tests.daemon import BIN, Daemon, SabotagedDaemon, config_text
from tests.machine import Machine

pytestmark = pytest.mark.integration

STREAM = "north.press"


class Operator(Machine):
    """A machine, and who says what it was."""

    def say(self, payload: Mapping[str, object], command: str = "label") -> None:
        self.peer.publish(f"residuald/{STREAM}/set/{command}", json.dumps(payload).encode(), qos=1)

    def state(self) -> dict[str, object]:
        """What the last retained state says; empty while there is none."""
        states = self.peer.payloads(f"residuald/{STREAM}/state")
        return json.loads(states[-1]) if states and states[-1] else {}

    def phases(self) -> list[str]:
        return [json.loads(payload)["phase"] for payload in self.peer.payloads(f"residuald/{STREAM}/alert")]


@pytest.fixture
def config(tmp_path: Path, persistent_broker: Broker, model: Path) -> Path:
    file = tmp_path / "monitor.toml"
    kept = f'[journal]\npath = "{tmp_path}/kept"\ncheckpoint_seconds = 3600\n[timing]\nask_after_seconds = 1.5'
    mqtt = "commands = true\nreconnect_ceiling_seconds = 1"
    file.write_text(config_text(persistent_broker.port, model, extra=kept, mqtt=mqtt))
    return file


def kept(config: Path) -> list[Label]:
    with History.open(config.parent / "kept" / "history.sqlite") as history:
        return history.labels()


def counted(daemon: Daemon, command: str, result: str = "accepted") -> float | None:
    return daemon.value("residuald_commands_total", command=command, result=result)


BAD = {"kind": "bad", "from": "2026-03-01T12:00:00Z", "to": "2026-03-01T13:00:00Z", "who": "ann", "note": "a test"}


def test_an_alert_that_asks_is_answered_by_whoever_runs_the_command_and_goes_on(
    start_connected: Callable[[Path], Daemon], config: Path, world: Peer
) -> None:
    operator, daemon = Operator(world), start_connected(config)
    operator.send(40)
    operator.send(300, amplitude=4.0)
    wait_until(lambda: operator.state().get("asks") == "accept or confirm", "the alert asks")
    assert daemon.value("residuald_stream_asks", stream=STREAM, model="hum") == 1
    told = daemon.event("an alert asks: a fault, or the new normal?") or {}
    command = str(told["if_normal"]).split()
    assert command[:3] == ["residuald", "accept", STREAM]
    run: list[str | Path] = [BIN / "residuald", *command[1:], "--who", "ann", "--config", config, "--anyway"]
    done = subprocess.run(run, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    (label,) = kept(config)
    assert (label.stream, label.kind, label.source, label.who) == (STREAM, "new_normal", "accept", "ann")
    wait_until(lambda: operator.state()["asks"] is None, "it asks no more")
    assert operator.state()["state"] == "firing"
    assert operator.phases() == ["pending", "firing"]
    assert daemon.value("residuald_stream_asks", stream=STREAM, model="hum") is None


def test_labels_by_command_are_kept_and_those_that_cannot_be_are_told(
    start_connected: Callable[[Path], Daemon], config: Path, world: Peer
) -> None:
    operator, daemon = Operator(world), start_connected(config)
    operator.send(40)
    operator.send(40, amplitude=4.0)
    wait_until(lambda: operator.phases() == ["pending", "firing"], "an alert")
    alert = operator.state()["alert"]
    operator.say(BAD)
    operator.say({"kind": "confirmed", "alert": alert})
    operator.say({"since": "2026-03-01T13:00:00Z"}, "accept")
    operator.say({"kind": "confirmed", "alert": "00000000-0000-5000-8000-000000000000"})
    operator.say(BAD | {"to": "2026-03-01T11:00:00Z"})
    wait_until(lambda: (counted(daemon, "label"), counted(daemon, "accept")) == (2, 1), "they are kept")
    wait_until(lambda: counted(daemon, "label", "unknown_alert") == 1, "no such alert")
    assert counted(daemon, "label", "bad_label") == 1
    labels = {label.kind: label for label in kept(config)}
    assert labels.keys() == {"bad", "confirmed", "new_normal"}
    assert (labels["bad"].who, labels["bad"].note) == ("ann", "a test")
    assert labels["new_normal"].to_seconds == OPEN
    assert labels["confirmed"].to_seconds < OPEN
    refused = [entry for entry in daemon.log() if entry["event"] == "discarded"]
    assert {entry["reason"] for entry in refused} == {"unknown_alert", "bad_label"}
    config.write_text(config.read_text().replace("ask_after_seconds = 1.5", "ask_after_seconds = 2.5"))
    daemon.process.send_signal(signal.SIGHUP)
    wait_until(lambda: daemon.event("reloaded") is not None, "another pipeline")
    operator.say(BAD | {"note": "after a reload", "to": "2026-03-01T12:30:00Z"})
    wait_until(lambda: counted(daemon, "label") == 3, "and labels are kept as before")


DIES_BEFORE_THE_LABEL = """
import os, signal
from monitor.adapters.storage.disk_store import DiskStore
append = DiskStore.append
def die(self, record, *args):
    known = append(self, record, *args)
    if record is not None and b"/set/label" in record:
        os.kill(os.getpid(), signal.SIGKILL)
    return known
DiskStore.append = die
"""
DIES_AFTER_THE_LABEL = """
import os, signal
from monitor.durability import label_keeper
add_label = label_keeper.add_label
def die(*args):
    add_label(*args)
    os.kill(os.getpid(), signal.SIGKILL)
label_keeper.add_label = die
"""


@pytest.mark.parametrize("sabotage", [DIES_BEFORE_THE_LABEL, DIES_AFTER_THE_LABEL], ids=["before", "after"])
def test_a_kill_neither_loses_nor_repeats_a_label(
    start_connected: Callable[[Path], Daemon], config: Path, world: Peer, sabotage: str
) -> None:
    operator = Operator(world)
    dying = SabotagedDaemon(config, sabotage).wait_connected()
    operator.send(40)
    wait_until(lambda: operator.state() != {}, "a stream")
    operator.say(BAD)
    assert dying.process.wait(PATIENCE_SECONDS) == -signal.SIGKILL
    daemon = start_connected(config)
    wait_until(lambda: counted(daemon, "label") == 1, "the label is kept")
    assert len(kept(config)) == 1
    daemon.stop()
    daemon = start_connected(config)
    assert counted(daemon, "label") == 1
    assert len(kept(config)) == 1
