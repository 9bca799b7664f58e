"""What we publish arrives: at once, or when the broker is back; and status tells whether we are there."""

from pathlib import Path
from typing import Any

import pytest

from monitor.core.ports import Delivery, StepKey
from tests.broker import Broker, Peer, free_port, running, wait_until
from tests.links import Links

pytestmark = pytest.mark.integration

BOTH_PROTOCOLS = pytest.mark.parametrize("protocol", ["3.1.1", "5"])
QUICK: dict[str, Any] = {"reconnect_ceiling_seconds": 0.2}


@BOTH_PROTOCOLS
def test_what_is_published_arrives_in_order(broker: Broker, peer: Peer, links: Links, protocol: str) -> None:
    peer.listen("residuald/#")
    tap = links.start(broker, protocol=protocol).connected()
    payloads = [b"%d" % number for number in range(1000)]
    for payload in payloads:
        assert tap.link.publish("residuald/motor/alert", payload)
    wait_until(lambda: len(peer.payloads("residuald/motor/alert")) == 1000, "1000 messages")
    assert peer.payloads("residuald/motor/alert") == payloads


def test_what_is_published_before_the_broker_is_there_arrives_later(tmp_path: Path, links: Links) -> None:
    broker = Broker(tmp_path)
    broker.port = free_port()
    tap = links.start(broker, **QUICK)
    for number in range(100):
        assert tap.link.publish("residuald/motor/state", b"%d" % number, retain=True)
        assert tap.link.publish("residuald/motor/alert", b"%d" % number, retain=True)
    broker.start()
    try:
        tap.connected()
        peer = Peer(broker)
        peer.listen("residuald/motor/+")
        wait_until(lambda: b"99" in peer.payloads("residuald/motor/alert"), "the last alert")
        wait_until(lambda: b"99" in peer.payloads("residuald/motor/state"), "the last state")
        peer.close()
        tap.link.stop(5.0)
    finally:
        broker.stop()


def test_stopping_publishes_what_waits_and_then_says_offline(broker: Broker, peer: Peer, links: Links) -> None:
    peer.listen("residuald/#")
    tap = links.start(broker).connected()
    for number in range(200):
        tap.link.publish("residuald/motor/alert", b"%d" % number)
    tap.link.stop(10.0)
    assert not tap.link.alive
    wait_until(lambda: peer.payloads("residuald/status")[-1:] == [b"offline"], "offline")
    assert len(peer.payloads("residuald/motor/alert")) == 200
    assert peer.payloads("residuald/status") == [b"online", b"offline"]
    assert peer.seen[-1].payload == b"offline"


def test_online_is_said_again_after_a_reconnect(persistent_broker: Broker, links: Links) -> None:
    tap = links.start(persistent_broker, ("plant/#", 0), **QUICK).connected()
    persistent_broker.stop()
    wait_until(lambda: not tap.link.connected, "disconnected")
    persistent_broker.start()
    tap.connected()
    peer = Peer(persistent_broker)
    peer.listen("residuald/status")
    wait_until(lambda: peer.payloads("residuald/status")[-1:] == [b"online"], "online")
    peer.close()


def test_stopping_without_a_broker_ends_at_once(tmp_path: Path, links: Links) -> None:
    broker = Broker(tmp_path)
    broker.port = free_port()
    tap = links.start(broker)
    wait_until(lambda: tap.link.last_error is not None, "a failed attempt")
    tap.link.stop(5.0)
    assert not tap.link.alive


def test_a_wildcard_is_no_topic_to_publish_to(broker: Broker, links: Links) -> None:
    tap = links.start(broker)
    with pytest.raises(ValueError, match="no topic to publish to"):
        tap.link.publish("residuald/+/state", b"")


def test_no_more_is_on_its_way_than_the_broker_allows(tmp_path: Path, links: Links) -> None:
    with running(Broker(tmp_path, "allow_anonymous true\nmax_inflight_messages 3")) as broker:
        peer = Peer(broker)
        peer.listen("residuald/motor/alert")
        tap = links.start(broker, durable=True, **QUICK).connected()
        payloads = [b"%d" % number for number in range(300)]
        for payload in payloads:
            delivery = Delivery(StepKey(payload.decode(), 0), "motor/alert", payload)
            tap.link.deliver(delivery.at(tap.link.begin(delivery)))

        def all_came() -> bool:
            tap.link.committed(step.key for step in tap.link.progress())
            return len(peer.payloads("residuald/motor/alert")) == len(payloads)

        wait_until(all_came, "all messages")
        assert peer.payloads("residuald/motor/alert") == payloads
        assert tap.link.reconnects == 0
        peer.close()
        tap.link.stop(5.0)


@pytest.mark.parametrize(("protocol", "allowed"), [("3.1.1", 20), ("5", 50)])
def test_a_broker_that_cannot_tell_how_many_may_be_on_their_way_gets_twenty(
    tmp_path: Path, links: Links, protocol: str, allowed: int
) -> None:
    with running(Broker(tmp_path, "allow_anonymous true\nmax_inflight_messages 0")) as broker:
        peer = Peer(broker)
        peer.listen("there/and/back")
        tap = links.start(broker, durable=True, protocol=protocol, **QUICK).connected()
        for number in range(50):
            delivery = Delivery(StepKey("alert", number), "motor/alert", b"%d" % number)
            tap.link.deliver(delivery.at(tap.link.begin(delivery)))
        received: list[StepKey] = []

        def so_many_received() -> bool:
            received.extend(step.key for step in tap.link.progress())
            return len(received) >= allowed

        wait_until(so_many_received, "the broker has as many as it may")
        peer.publish("there/and/back", b"any that came after them would be here by now", qos=1)
        wait_until(lambda: bool(peer.payloads("there/and/back")), "a message there and back")
        received.extend(step.key for step in tap.link.progress())
        assert len(received) == allowed
        peer.close()
        tap.link.stop(0.5)
