"""Messages come through a real Mosquitto: at every QoS, in both protocol versions, however large or many."""

from typing import Any

import pytest

from monitor.adapters.mqtt.link import MqttLink
from tests.broker import Broker, Peer, wait_until
from tests.links import Links

pytestmark = pytest.mark.integration

BOTH_PROTOCOLS = pytest.mark.parametrize("protocol", ["3.1.1", "5"])


@BOTH_PROTOCOLS
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_messages_arrive_once_and_in_order(broker: Broker, peer: Peer, links: Links, protocol: str, qos: int) -> None:
    tap = links.start(broker, ("plant/+/vib", qos), protocol=protocol).connected()
    payloads = [b"%d" % number for number in range(100)]
    for payload in payloads:
        peer.publish("plant/motor-1/vib", payload, qos)
    messages = tap.take(100)
    assert tap.payloads() == payloads
    assert {message.topic for message in messages} == {"plant/motor-1/vib"}
    assert all((message.token is None) == (qos == 0) for message in messages)


@BOTH_PROTOCOLS
def test_a_retained_message_says_that_it_is_one(broker: Broker, peer: Peer, links: Links, protocol: str) -> None:
    peer.publish("plant/motor-1/vib", b"old", qos=1, retain=True)
    tap = links.start(broker, ("plant/+/vib", 0), protocol=protocol).connected()
    tap.take(1)
    peer.publish("plant/motor-1/vib", b"new", qos=1)
    tap.take(2)
    assert [(message.payload, message.retained) for message in tap.taken] == [(b"old", True), (b"new", False)]


@pytest.mark.parametrize("qos", [0, 1])
def test_a_huge_message_arrives_cut_and_the_next_one_whole(broker: Broker, peer: Peer, links: Links, qos: int) -> None:
    tap = links.start(broker, ("plant/#", qos), max_payload_bytes=1000).connected()
    peer.publish("plant/a", b"x" * 100_000_000, qos)
    peer.publish("plant/a", b"next", qos)
    assert [len(payload) for payload in (message.payload for message in tap.take(2))] == [1001, 4]
    assert tap.link.reconnects == 0


def test_a_topic_of_any_language_arrives(broker: Broker, peer: Peer, links: Links) -> None:
    tap = links.start(broker, ("Anlage/+/Größe", 0)).connected()
    peer.publish("Anlage/Öfen-Ω/Größe", b"1")
    assert tap.take(1)[0].topic == "Anlage/Öfen-Ω/Größe"


@BOTH_PROTOCOLS
def test_a_full_inbox_stops_reading_and_nothing_of_qos_1_is_lost(
    broker: Broker, peer: Peer, links: Links, protocol: str
) -> None:
    tap = links.start(broker, ("plant/#", 1), max_messages=10, protocol=protocol).connected()
    payloads = [b"%d" % number for number in range(2000)]
    for payload in payloads:
        peer.publish("plant/a", payload, qos=1)
    wait_until(lambda: not tap.inbox.has_room(), "a full inbox")
    tap.take(2000)
    assert tap.payloads() == payloads
    assert tap.inbox.dropped == 0


def another_turn(link: MqttLink) -> None:
    before = link.last_progress_monotonic
    wait_until(lambda: link.last_progress_monotonic > before, "another turn")


def test_while_the_inbox_is_full_what_waits_stays_with_the_broker(broker: Broker, peer: Peer, links: Links) -> None:
    # MQTT 5, where the broker may send thousands that are not acknowledged: nothing but the full inbox holds it back
    tap = links.start(broker, ("plant/#", 1), max_messages=10, protocol="5").connected()
    sent = 400
    for number in range(sent):
        peer.publish("plant/a", number.to_bytes(2, "big") * 15_000, qos=1)
    wait_until(lambda: not tap.inbox.has_room(), "a full inbox")
    for _ in range(2):  # the network thread goes round, and does not read
        another_turn(tap.link)
    assert tap.inbox.messages < sent // 2
    assert len(tap.take(sent)) == sent


@pytest.mark.parametrize("qos", [1, 2])
def test_what_the_broker_still_holds_from_before_a_reconnect_fills_the_inbox_no_further_than_its_bound(
    broker: Broker, peer: Peer, links: Links, qos: int
) -> None:
    sent, size = 400, 30_000
    first = links.start(broker, ("plant/#", qos), protocol="5").connected()
    for number in range(sent):
        peer.publish("plant/a", number.to_bytes(2, "big") * (size // 2), qos)
    first.take(sent, acknowledge=False)
    first.link.stop(5.0)
    again = links.start(broker, ("plant/#", qos), max_messages=10, protocol="5")
    wait_until(lambda: not again.inbox.has_room(), "a full inbox")
    for _ in range(2):
        another_turn(again.link)
    one_read = 256 * 1024 // size + 1
    assert again.inbox.messages <= 10 + one_read
    assert len(again.take(sent)) == sent
    again.connected()


def test_the_connection_lives_on_while_the_inbox_is_full_for_longer_than_the_keep_alive(
    broker: Broker, peer: Peer, links: Links
) -> None:
    keepalive_seconds, sent = 5, 400
    settings: dict[str, Any] = {"protocol": "5", "keepalive_seconds": keepalive_seconds}
    tap = links.start(broker, ("plant/#", 1), max_messages=10, **settings).connected()
    for number in range(sent):
        peer.publish("plant/a", number.to_bytes(2, "big") * 15_000, qos=1)
    wait_until(lambda: not tap.inbox.has_room(), "a full inbox")
    # what the broker answers waits behind telemetry all that time
    enough = tap.link.last_progress_monotonic + 2 * keepalive_seconds + 2
    wait_until(lambda: tap.link.last_progress_monotonic > enough, "more than two keep-alives")
    assert len(tap.take(sent)) == sent
    assert tap.link.connected
    assert tap.link.reconnects == 0


def test_a_full_inbox_drops_the_oldest_of_qos_0_and_counts_them(broker: Broker, peer: Peer, links: Links) -> None:
    tap = links.start(broker, ("plant/#", 0), max_messages=10).connected()
    for number in range(50):
        peer.publish("plant/a", b"%d" % number)
    wait_until(lambda: tap.inbox.dropped == 40, "40 dropped messages")
    assert [message.payload for message in tap.take(10)] == [b"%d" % number for number in range(40, 50)]


def test_qos_1_is_not_held_back_by_the_acknowledgements_that_are_still_due(
    broker: Broker, peer: Peer, links: Links
) -> None:
    tap = links.start(broker, ("plant/#", 1)).connected()
    for number in range(500):
        peer.publish("plant/a", b"%d" % number, qos=1)
    assert len(tap.take(500, acknowledge=False)) == 500
    tap.link.acknowledge([message.token for message in tap.taken if message.token])


def test_after_stop_receiving_the_inbox_stays_empty_and_the_broker_keeps_what_comes(
    broker: Broker, peer: Peer, links: Links
) -> None:
    tap = links.start(broker, ("plant/#", 1)).connected()
    tap.link.stop_receiving()
    peer.publish("plant/a", b"kept", qos=1)
    tap.link.stop(5.0)
    assert tap.inbox.messages == 0
    again = links.start(broker, ("plant/#", 1)).connected()
    assert [message.payload for message in again.take(1)] == [b"kept"]
