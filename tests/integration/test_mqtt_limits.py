"""What a broker says that it does not take is heeded: the link connects, stays, and nothing blocks what comes after."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from monitor.core.ports import Delivery, StepKey
from tests.broker import Broker, Peer, running, wait_until
from tests.links import Links
from tests.scripted_broker import ScriptedBroker

pytestmark = pytest.mark.integration

QUICK: dict[str, Any] = {"reconnect_ceiling_seconds": 0.2}
# identifiers of properties; MQTT 5.0, section 2.2.2.2
SERVER_KEEP_ALIVE, RECEIVE_MAXIMUM, WILDCARD_AVAILABLE = b"\x13", b"\x21", b"\x28"
Start = Callable[[str], tuple[Broker, Peer]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a Mosquitto with a limit, and a peer that listens."""
    with ExitStack() as stack:

        def started(setting: str) -> tuple[Broker, Peer]:
            broker = stack.enter_context(running(Broker(tmp_path, f"allow_anonymous true\n{setting}")))
            peer = Peer(broker)
            stack.callback(peer.close)
            peer.listen("residuald/#")
            return broker, peer

        yield started


def test_a_broker_without_retained_messages_gets_states_and_status_unretained(start: Start, links: Links) -> None:
    broker, peer = start("retain_available false")
    tap = links.start(broker, ("plant/#", 1), **QUICK).connected()
    tap.link.publish("residuald/press/state", b"{}", retain=True)
    wait_until(lambda: peer.payloads("residuald/press/state") == [b"{}"], "the state")
    assert peer.payloads("residuald/status") == [b"online"]
    assert tap.link.reconnects == 0


@pytest.mark.parametrize("max_qos", [0, 1])
def test_alerts_go_out_at_the_highest_qos_that_the_broker_knows(start: Start, links: Links, max_qos: int) -> None:
    broker, peer = start(f"max_qos {max_qos}")
    tap = links.start(broker, ("plant/#", 0), durable=True, **QUICK).connected()
    delivery = Delivery(StepKey("a", 0), "press/alert", b"{}")
    tap.link.deliver(delivery.at(tap.link.begin(delivery)))
    done: list[StepKey] = []

    def is_done() -> bool:
        done.extend(step.key for step in tap.link.progress() if step.done)
        return bool(done)

    wait_until(is_done, "the delivery is done")
    wait_until(lambda: peer.payloads("residuald/press/alert") == [b"{}"], "the alert")
    assert tap.link.reconnects == 0


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_an_alert_that_is_too_large_goes_without_channels_and_holds_up_no_other(
    start: Start, links: Links, protocol: str
) -> None:
    broker, peer = start("max_packet_size 500")
    tap = links.start(broker, ("plant/#", 0), durable=True, protocol=protocol, **QUICK).connected()
    large: dict[str, Any] = {"id": "large", "channels": {f"x{number}": 0.5 for number in range(100)}}
    for number, fields in enumerate((large, {"id": "small"})):
        delivery = Delivery(StepKey(str(fields["id"]), number), "press/alert", json.dumps(fields).encode())
        tap.link.deliver(delivery.at(tap.link.begin(delivery)))
    seen: list[Any] = []

    def both_came() -> bool:
        tap.link.committed([step.key for step in tap.link.progress()])
        seen[:] = [json.loads(payload) for payload in peer.payloads("residuald/press/alert")]
        return len(seen) == 2

    wait_until(both_came, "both alerts")
    assert sorted(seen, key=lambda fields: str(fields["id"])) == [
        {"id": "large", "left_out": ["channels"]},
        {"id": "small"},
    ]
    assert tap.link.reconnects == (0 if protocol == "5" else 3)


def test_what_no_shortening_makes_small_enough_is_counted_and_holds_up_no_other(start: Start, links: Links) -> None:
    broker, peer = start("max_packet_size 200")
    tap = links.start(broker, ("plant/#", 0), **QUICK).connected()
    tap.link.publish("residuald/press/state", bytes(500), retain=True)
    tap.link.publish("residuald/press/alert", b"small")
    wait_until(lambda: peer.payloads("residuald/press/alert") == [b"small"], "the small one")
    assert tap.link.publish_refused == 1
    assert tap.link.reconnects == 0


def test_the_keep_alive_of_the_broker_is_kept(links: Links) -> None:
    with ScriptedBroker(SERVER_KEEP_ALIVE + (1).to_bytes(2, "big")).serving() as broker:
        links.start(broker, ("plant/#", 0), keepalive_seconds=60, **QUICK).connected()
        wait_until(lambda: broker.pings >= 3, "three pings", 10.0)
        links.stop()


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ({"properties": RECEIVE_MAXIMUM + b"\0\0"}, "receive maximum 0, which allows nothing to be sent"),
        ({"granted": b"\0\0"}, "of 1 subscriptions it answered 2"),
        ({"then": b"\xe0\x01\x98"}, "Administrative action (somebody who runs the broker did it)"),
        ({"then": b"\xe0\x01\x8d"}, "Keep alive timeout (nothing of ours reached it in time"),
        ({"then": b"\xe0\x01\x9d"}, "Server moved (see mqtt.host)"),
    ],
)
def test_what_a_broker_does_wrong_or_gives_as_its_reason_is_told(
    links: Links, script: dict[str, bytes], told: str
) -> None:
    with ScriptedBroker(**script).serving() as broker:
        tap = links.start(broker, ("plant/#", 0), **QUICK)
        wait_until(lambda: told in str(tap.link.last_error), told)
        links.stop()


@pytest.mark.parametrize(("protocol", "asked"), [("5", True), ("3.1.1", False)])
def test_of_a_broker_that_never_answers_it_is_asked_whether_it_speaks_mqtt_5(
    links: Links, monkeypatch: pytest.MonkeyPatch, protocol: str, asked: bool
) -> None:
    monkeypatch.setattr("monitor.adapters.mqtt.liveness._HANDSHAKE_SECONDS", 0.2)
    with ScriptedBroker().silent() as broker:
        tap = links.start(broker, ("plant/#", 1), protocol=protocol)
        wait_until(lambda: tap.link.last_error is not None, "an attempt failed")
    assert ("does the broker speak MQTT 5?" in str(tap.link.last_error)) == asked


def test_a_session_that_another_client_took_over_is_told_and_counted(links: Links) -> None:
    with ScriptedBroker(then=b"\xe0\x01\x8e").serving() as broker:
        tap = links.start(broker, ("plant/#", 0), **QUICK)
        wait_until(lambda: tap.link.sessions_lost["taken_over"] > 0, "it is counted")
        wait_until(lambda: "another client connected as 'residuald'" in str(tap.link.last_error), "it is told")
        links.stop()


def test_a_broker_without_wildcards_gets_the_other_subscriptions(links: Links) -> None:
    with ScriptedBroker(WILDCARD_AVAILABLE + b"\0").serving() as broker:
        tap = links.start(broker, ("plant/+", 0), ("plant/a", 0), **QUICK).connected()
        assert tap.link.denied_topics == ("plant/+",)
        links.stop()
