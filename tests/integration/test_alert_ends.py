"""Why alerts end, as a subscriber of a real broker is told; and that no retained state outlives its stream."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.broker import Broker, Peer, wait_until
from tests.daemon import Daemon, config_text, fit_model
from tests.machine import Machine

pytestmark = pytest.mark.integration

STREAM = "north.press"
FIRING = [("pending", False, None), ("firing", True, None)]


@pytest.fixture
def configure(tmp_path: Path, persistent_broker: Broker, model: Path) -> Callable[..., Path]:
    """Writes the configuration of a daemon that keeps a journal; its sources are of QoS 0 unless it says more."""

    def write(extra: str = "", mqtt: str = "", qos: int = 0, path: Path = model) -> Path:
        file = tmp_path / "monitor.toml"
        kept = f'{extra}\n[journal]\npath = "{tmp_path}/kept"\ncheckpoint_seconds = 3600'
        mqtt = f"commands = true\nreconnect_ceiling_seconds = 1\n{mqtt}"
        file.write_text(config_text(persistent_broker.port, path, extra=kept, mqtt=mqtt, qos=qos))
        return file

    return write


class Press(Machine):
    """A machine, and what is told of it."""

    def fire(self) -> None:
        self.send(20)
        self.send(20, amplitude=4.0)
        wait_until(lambda: self.steps() == FIRING, "an alert")

    def command(self, kind: str, payload: bytes = b"") -> None:
        self.peer.publish(f"residuald/{STREAM}/set/{kind}", payload, qos=1)

    def alerts(self) -> list[dict[str, Any]]:
        return [json.loads(payload) for payload in self.peer.payloads(f"residuald/{STREAM}/alert")]

    def steps(self) -> list[tuple[str, bool, str | None]]:
        return [(alert["phase"], alert["fired"], alert["reason"]) for alert in self.alerts()]


def retained(broker: Broker, *topics: str) -> dict[str, str]:
    """What somebody finds who comes now: the states of streams that the broker holds below these topics."""
    visitor = Peer(broker)
    for topic in topics or ("residuald/+/state",):
        visitor.listen(topic)
    visitor.listen("nothing")  # answered after what the broker held was sent
    found = {seen.topic: json.loads(seen.payload)["state"] for seen in visitor.seen if seen.retained}
    visitor.close()
    return found


def ended(press: Press, reason: str) -> bool:
    alerts = press.alerts()
    same = {key: value for key, value in alerts[-1].items() if key not in {"phase", "reason"}}
    before = {key: value for key, value in alerts[1].items() if key not in {"phase", "reason"}}
    return press.steps() == [*FIRING, ("resolved", True, reason)] and same == before


def test_a_clean_restart_with_qos_0_goes_on_with_an_open_alert_and_tells_nothing(
    start_connected: Callable[[Path], Daemon], configure: Callable[..., Path], world: Peer, persistent_broker: Broker
) -> None:
    press, daemon = Press(world), start_connected(configure())
    press.fire()
    assert daemon.stop() == 0
    daemon = start_connected(configure())
    press.send(20, amplitude=4.0)
    wait_until(lambda: (daemon.value("residuald_windows_anomalous_total", stream=STREAM, model="hum") or 0) > 8, "seen")
    assert press.steps() == FIRING
    assert retained(persistent_broker) == {f"residuald/{STREAM}/state": "firing"}
    press.send(60)
    wait_until(lambda: press.steps() == [*FIRING, ("resolved", True, "calm")], "it calms down")
    assert len({alert["id"] for alert in press.alerts()}) == 1
    assert daemon.value("residuald_alerts_resolved_total", reason="calm") == 1


def test_a_machine_that_is_switched_off_while_firing_is_gone_and_not_calm(
    start_connected: Callable[[Path], Daemon], configure: Callable[..., Path], world: Peer, persistent_broker: Broker
) -> None:
    press = Press(world)
    start_connected(configure(extra="[timing]\nexpire_after_seconds = 2\nsilent_after_seconds = 1"))
    press.fire()
    wait_until(lambda: ended(press, "gone"), "forgotten")
    wait_until(lambda: retained(persistent_broker) == {}, "its state is cleared")


def test_a_mute_ends_an_alert_as_muted(
    start_connected: Callable[[Path], Daemon], configure: Callable[..., Path], world: Peer
) -> None:
    press = Press(world)
    start_connected(configure())
    press.fire()
    press.command("mute", b"2h")
    wait_until(lambda: ended(press, "muted"), "muted")


def test_a_stream_that_learns_anew_ends_its_alert_for_that_reason(
    start_connected: Callable[[Path], Daemon], configure: Callable[..., Path], world: Peer, tmp_path: Path
) -> None:
    path = fit_model(tmp_path, "hum", 0, '[normalization]\nkind = "stream"\nwarmup_windows = 3\n')
    press = Press(world)
    start_connected(configure(path=path))
    press.fire()
    press.command("relearn")
    wait_until(lambda: ended(press, "relearn"), "it learns anew")


OTHERS = {
    "another model": {'name = "hum"': 'name = "buzz"\nartifact = "hum"', 'model = "hum"': 'model = "buzz"'},
    "another topic": {"plant/{site}": "hall/{site}"},
}


@pytest.mark.parametrize(
    ("other", "how"),
    [
        ("another model", "reload"),
        ("another model", "restart"),
        ("another topic", "kill"),
    ],
)
def test_a_changed_configuration_ends_alerts_as_reconfigured_and_leaves_no_state_of_streams_that_are_no_more(
    start_connected: Callable[[Path], Daemon],
    configure: Callable[..., Path],
    world: Peer,
    persistent_broker: Broker,
    other: str,
    how: str,
) -> None:
    press, config = Press(world), configure(qos=1)
    daemon = start_connected(config)
    press.fire()
    wait_until(lambda: retained(persistent_broker) == {f"residuald/{STREAM}/state": "firing"}, "its state")
    if how != "reload":
        daemon.stop(signal.SIGTERM if how == "restart" else signal.SIGKILL)
    text = config.read_text()
    for old, new in OTHERS[other].items():
        text = text.replace(old, new)
    config.write_text(text)
    if how == "reload":
        daemon.process.send_signal(signal.SIGHUP)
    else:
        daemon = start_connected(config)
    wait_until(lambda: ended(press, "reconfigured"), "resolved")
    wait_until(lambda: retained(persistent_broker) == {}, "its state is cleared")
    assert daemon.value("residuald_alerts_resolved_total", reason="reconfigured") == 1


@pytest.mark.parametrize("how", ["reload", "restart"])
def test_another_base_topic_takes_states_along_and_clears_them_under_the_old_one(
    start_connected: Callable[[Path], Daemon],
    configure: Callable[..., Path],
    world: Peer,
    persistent_broker: Broker,
    how: str,
) -> None:
    topics = "residuald/+/state", "residuald/status/journal", "elsewhere/+/state"
    press, daemon = Press(world), start_connected(configure())
    press.fire()
    if how == "restart":
        daemon.stop()
    config = configure(mqtt='base_topic = "elsewhere"')
    if how == "reload":
        daemon.process.send_signal(signal.SIGHUP)
    else:
        start_connected(config)
    wait_until(lambda: retained(persistent_broker, *topics) == {f"elsewhere/{STREAM}/state": "firing"}, "moved")
    assert press.steps() == FIRING
