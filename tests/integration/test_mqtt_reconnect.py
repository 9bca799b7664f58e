"""The link comes back whatever happens to the connection, and nothing of QoS 1 and 2 is lost by it."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.broker import PATIENCE_SECONDS, Broker, Peer, free_port, wait_until
from tests.links import Links

pytestmark = pytest.mark.integration

BOTH_PROTOCOLS = pytest.mark.parametrize("protocol", ["3.1.1", "5"])
QUICK: dict[str, Any] = {"reconnect_ceiling_seconds": 0.2}


@BOTH_PROTOCOLS
def test_a_restart_of_the_broker_costs_a_reconnect_and_no_subscription(
    broker: Broker, links: Links, protocol: str
) -> None:
    tap = links.start(broker, ("plant/a", 0), ("plant/b", 1), protocol=protocol, **QUICK).connected()
    broker.stop()
    wait_until(lambda: not tap.link.connected, "disconnected")
    broker.start()
    tap.connected()
    peer = Peer(broker)
    peer.publish("plant/a", b"a")
    peer.publish("plant/b", b"b", qos=1)
    tap.take(2)
    peer.close()
    assert sorted(tap.payloads()) == [b"a", b"b"]
    assert tap.link.reconnects == 1
    assert tap.link.last_error is None


def test_a_broker_that_is_not_there_yet_is_waited_for(tmp_path: Path, links: Links) -> None:
    broker = Broker(tmp_path)
    broker.port = free_port()
    tap = links.start(broker, ("plant/#", 0), **QUICK)
    wait_until(lambda: tap.link.last_error is not None, "a failed attempt")
    error = tap.link.last_error
    assert error == f"no broker listens on {broker.host}:{broker.port}"
    broker.start()
    try:
        tap.connected()
        assert tap.link.last_error is None
        assert tap.link.reconnects == 0
    finally:
        tap.link.stop(5.0)
        broker.stop()


@BOTH_PROTOCOLS
@pytest.mark.parametrize("qos", [1, 2])
def test_what_was_not_acknowledged_is_delivered_to_the_next_process(
    broker: Broker, peer: Peer, links: Links, qos: int, protocol: str
) -> None:
    first = links.start(broker, ("plant/#", qos), protocol=protocol).connected()
    for number in range(6):
        peer.publish("plant/a", b"%d" % number, qos)
    messages = first.take(6, acknowledge=False)
    first.link.acknowledge([message.token for message in messages[:2] if message.token])
    first.link.stop(5.0)
    second = links.start(broker, ("plant/#", qos), protocol=protocol).connected()
    second.take(4)
    peer.publish("plant/a", b"last", qos)
    second.take(5)
    assert second.payloads() == [b"2", b"3", b"4", b"5", b"last"]


@pytest.mark.parametrize("qos", [1, 2])
def test_what_is_still_in_hand_is_not_taken_twice_after_a_reconnect_and_can_still_be_acknowledged(
    persistent_broker: Broker, links: Links, qos: int
) -> None:
    tap = links.start(persistent_broker, ("plant/#", qos), **QUICK).connected()
    peer = Peer(persistent_broker)
    for number in range(5):
        peer.publish("plant/a", b"%d" % number, qos)
    held = tap.take(5, acknowledge=False)
    peer.close()
    persistent_broker.stop()
    wait_until(lambda: not tap.link.connected, "disconnected")
    persistent_broker.start()
    tap.connected()
    tap.link.acknowledge([message.token for message in held if message.token])
    peer = Peer(persistent_broker)
    peer.publish("plant/a", b"new", qos)
    peer.close()
    tap.take(6)
    assert tap.payloads() == [b"0", b"1", b"2", b"3", b"4", b"new"]
    # acknowledged for good: the next process gets nothing of it
    tap.link.stop(5.0)
    later = links.start(persistent_broker, ("plant/#", qos)).connected()
    peer = Peer(persistent_broker)
    peer.publish("plant/a", b"fresh", qos)
    peer.close()
    later.take(1)
    assert later.payloads() == [b"fresh"]


@BOTH_PROTOCOLS
def test_a_silent_broker_that_answers_is_kept_and_subscribed_to_as_before(
    broker: Broker, peer: Peer, links: Links, protocol: str
) -> None:
    peer.publish("plant/kept", b"kept", retain=True)
    settings: dict[str, Any] = {"silence_timeout_seconds": 0.2, "protocol": protocol, **QUICK}
    tap = links.start(broker, ("plant/#", 1), **settings).connected()
    enough = tap.link.last_progress_monotonic + 3.0
    wait_until(lambda: tap.link.last_progress_monotonic > enough, "several silences")
    peer.publish("plant/a", b"a", qos=1)
    tap.take(2)
    assert tap.payloads() == [b"kept", b"a"]
    assert tap.link.reconnects == 0


def test_a_broker_that_answers_nothing_any_more_is_left_and_found_again(broker: Broker, links: Links) -> None:
    tap = links.start(broker, ("plant/#", 0), keepalive_seconds=5, silence_timeout_seconds=0, **QUICK).connected()
    broker.freeze()
    try:
        wait_until(lambda: not tap.link.connected, "disconnected")
        assert re.fullmatch(r"the broker has not answered for 1\d s", str(tap.link.last_error))
    finally:
        broker.thaw()
    tap.connected()
    peer = Peer(broker)
    peer.publish("plant/a", b"a")
    peer.close()
    tap.take(1)


def test_a_link_without_subscriptions_may_be_silent(broker: Broker, links: Links, peer: Peer) -> None:
    peer.listen("residuald/#")
    tap = links.start(broker, silence_timeout_seconds=0.05).connected()
    began = tap.link.last_progress_monotonic
    wait_until(lambda: tap.link.last_progress_monotonic > began + 1.0, "a second of silence")
    tap.link.publish("residuald/alive", b"1")
    wait_until(lambda: peer.payloads("residuald/alive") == [b"1"], "what we publish")
    assert tap.link.reconnects == 0


def test_a_server_that_is_no_broker_does_not_disturb_the_link(links: Links) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        stop = threading.Event()

        def talk_nonsense() -> None:
            while not stop.is_set():
                connection, _ = server.accept()
                with connection:
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" + os.urandom(10_000))

        talker = threading.Thread(target=talk_nonsense, daemon=True)
        talker.start()
        fake = Broker(Path())
        fake.port = server.getsockname()[1]
        tap = links.start(fake, ("plant/#", 0), **QUICK)
        wait_until(lambda: tap.link.last_error is not None, "a failed attempt")
        first = tap.link.last_progress_monotonic
        wait_until(lambda: tap.link.last_progress_monotonic > first + 0.5, "further attempts")
        assert tap.link.alive
        assert not tap.link.connected
        stop.set()
        tap.link.stop(5.0)
        socket.create_connection(server.getsockname()).close()
        talker.join(PATIENCE_SECONDS)


PROGRAM = """
import sys, time
from monitor.adapters.mqtt.inbox import Inbox
from monitor.adapters.mqtt.link import MqttLink
from monitor.adapters.mqtt.settings import MqttConfig
config = MqttConfig(host="127.0.0.1", port=int(sys.argv[1]))
link = MqttLink(config, [("plant/#", 0)], Inbox(10, 1000), max_payload_bytes=100)
link.start()
time.sleep(3600)
"""


def test_the_last_will_tells_of_a_killed_process(broker: Broker, peer: Peer) -> None:
    peer.listen("residuald/status")
    with subprocess.Popen([sys.executable, "-c", PROGRAM, str(broker.port)]) as process:
        wait_until(lambda: peer.payloads("residuald/status") == [b"online"], "online")
        process.send_signal(signal.SIGKILL)
    wait_until(lambda: peer.payloads("residuald/status") == [b"online", b"offline"], "offline")
    late = Peer(broker)
    late.listen("residuald/status")
    wait_until(lambda: bool(late.seen), "the retained status")
    assert (late.seen[0].payload, late.seen[0].retained) == (b"offline", True)
    late.close()


def test_an_exception_in_the_network_thread_leads_to_a_reconnect(
    broker: Broker, peer: Peer, links: Links, monkeypatch: pytest.MonkeyPatch
) -> None:
    tap = links.start(broker, ("plant/#", 0), **QUICK).connected()
    calls = []

    def fail_once(messages: object) -> None:
        calls.append(messages)
        monkeypatch.undo()
        raise ZeroDivisionError

    monkeypatch.setattr(tap.inbox, "extend", fail_once)
    peer.publish("plant/a", b"lost by the error")
    wait_until(lambda: tap.link.reconnects == 1, "a reconnect")
    peer.publish("plant/a", b"after")
    tap.take(1)
    assert len(calls) == 1
    assert tap.payloads() == [b"after"]
