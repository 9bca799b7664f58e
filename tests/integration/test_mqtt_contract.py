"""The MQTT link keeps what every source and every sink promises, with a real Mosquitto on the other side."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from monitor.adapters.mqtt.inbox import Inbox
from monitor.adapters.mqtt.link import MqttLink
from monitor.adapters.mqtt.settings import MqttConfig
from tests.broker import Broker, Peer, wait_until
from tests.unit.monitor.adapters import test_sink_contract as sinks
from tests.unit.monitor.adapters import test_source_contract as sources

TOPIC = "plant/press"
# sessions outlive the broker; it waits for no answer before it sends the next message
SETTINGS = "allow_anonymous true\npersistence true\npersistence_location {folder}/\nmax_inflight_messages 0"

# these modules' tests run here, on the fixtures below
globals().update({name: test for name, test in vars(sources).items() if name.startswith("test_")})
globals().update({name: test for name, test in vars(sinks).items() if name.startswith("test_")})
start, engine = sources.start, sinks.engine


def link_to(broker: Broker, *, durable: bool) -> MqttLink:
    config = MqttConfig(host=broker.host, port=broker.port, client_id="residuald-contract")
    subscriptions = [] if durable else [(TOPIC, 1)]
    return MqttLink(config, subscriptions, Inbox(1000, 10**6), max_payload_bytes=1000, durable=durable)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path, SETTINGS.format(folder=tmp_path))
    made.start()
    yield made
    made.stop()


class MqttFeed:
    """A topic; a session that holds its messages was opened before."""

    acknowledged = resumes = True
    ends = False

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        first = self.source()
        first.start()
        wait_until(lambda: first.connected, "the session is open")
        first.stop(5.0)
        self._peer = Peer(broker)

    def source(self) -> MqttLink:
        return link_to(self._broker, durable=False)

    def feed(self, payloads: list[bytes]) -> None:
        for payload in payloads:
            self._peer.publish(TOPIC, payload, qos=1)

    def end(self) -> None: ...

    def close(self) -> None:
        self._peer.close()


class Listener:
    """Who hears of alerts, over the broker's restarts; the broker goes and comes."""

    exactly_once = True

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._steps: list[tuple[str, int]] = []
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="listener", clean_session=False)
        self._client.on_message = self._on_message
        self._client.reconnect_delay_set(min_delay=1, max_delay=1)
        self._client.connect(broker.host, broker.port)
        self._client.loop_start()
        subscribed: list[Any] = []
        self._client.on_subscribe = lambda *told: subscribed.append(told)
        self._client.subscribe("residuald/+/alert", qos=2)
        wait_until(lambda: bool(subscribed), "somebody listens")

    def sink(self) -> MqttLink:
        return link_to(self._broker, durable=True)

    def come(self) -> None:
        self._broker.start()

    def go(self) -> None:
        self._broker.stop()

    def heard(self) -> list[tuple[str, int]]:
        return list(self._steps)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_message(self, _client: Any, _userdata: Any, message: paho.MQTTMessage) -> None:
        fields = json.loads(message.payload)
        step = fields["id"], fields["step"]
        # Mosquitto 2.0.11 repeats, and marks, what we had released to it when it went, though it needs our PUBCOMP only
        if not (message.dup and step in self._steps):
            self._steps.append(step)


@pytest.fixture
def feed(broker: Broker) -> Iterator[MqttFeed]:
    made = MqttFeed(broker)
    yield made
    made.close()


@pytest.fixture
def peer(broker: Broker) -> Iterator[Listener]:
    made = Listener(broker)
    yield made
    made.close()
