"""The devices of the chaos run: numbered messages with injected anomalies, and what has to become of them."""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from monitor.core.values.messages import Message, MessageBatch
from monitor.pipeline.pipeline import Moment
from monitor.setup.build import build_pipeline, load_setup

RATE_HZ = 100.0
ROWS = 10  # per message
PAST_SECONDS = 4 * 3600.0  # timestamps lie so far back that no clock jump makes them come from the future
_CALM, _WILD = (40, 120), (15, 40)  # how many messages a stretch lasts
_TAIL = 40  # calm messages at the end, for every alert to be resolved


@dataclass
class Device:
    """One device: a wave, four times as strong while it is ill."""

    topic: str
    number: int
    rng: random.Random
    sent: list[tuple[str, bytes]] = field(default_factory=list)
    _left: int = 0
    _ill: bool = True

    def message(self, began: float, *, calm: bool = False) -> tuple[str, bytes]:
        if self._left == 0 or calm:
            self._ill = not self._ill and not calm
            self._left = self.rng.randint(*(_WILD if self._ill else _CALM))
        self._left -= 1
        first = len(self.sent) * ROWS
        at = (first + np.arange(ROWS)) / RATE_HZ
        rows = np.stack([np.sin(2 * np.pi * 5 * at), np.cos(2 * np.pi * 5 * at)], axis=1)
        rows[:, 0] *= 4.0 if self._ill else 1.0
        rows += np.random.default_rng((self.number, first)).normal(0, 0.05, rows.shape)
        body = {"n": len(self.sent), "ts": began + first / RATE_HZ, "rows": np.round(rows, 4).tolist()}
        self.sent.append((self.topic, json.dumps(body).encode()))
        return self.sent[-1]


class Publisher:
    """Publishes for all devices at QoS 2, so that what the broker has is what was sent, each message once and in order.

    The library sends what is published between its CONNECT and the broker's CONNACK before what has waited for longer.
    So nothing is published from the end of a connection until all that was before it has been confirmed.
    """

    def __init__(self, port: int, devices: list[Device], messages_per_second: float) -> None:
        self.devices = devices
        self.began = time.time() - PAST_SECONDS
        self._pause_seconds = len(devices) / messages_per_second
        self._stopping = threading.Event()
        self._sent = self._confirmed = 0
        self._in_order = threading.Event()
        self._in_order.set()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="devices", clean_session=False)
        self._client.max_queued_messages_set(0)
        self._client.on_publish = self._on_publish
        self._client.on_connect = lambda *_: self._see_whether_in_order()
        self._client.on_disconnect = lambda *_: self._in_order.clear()
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._thread = threading.Thread(target=self._run, name="devices", daemon=True)

    @property
    def published(self) -> int:
        return sum(len(device.sent) for device in self.devices)

    def start(self) -> None:
        self._thread.start()

    def finish(self, timeout_seconds: float) -> bool:
        """End with a calm stretch; whether the broker has taken everything."""
        self._stopping.set()
        self._thread.join()
        deadline = time.monotonic() + timeout_seconds
        while self._confirmed < self.published:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        self._client.disconnect()
        self._client.loop_stop()
        return True

    def _run(self) -> None:
        while not self._stopping.wait(self._pause_seconds):
            self._send(calm=False)
        for _ in range(_TAIL):
            self._send(calm=True)

    def _send(self, *, calm: bool) -> None:
        for device in self.devices:
            self._in_order.wait()
            self._sent += 1
            self._client.publish(*device.message(self.began, calm=calm), qos=2)

    def _on_publish(self, *_: object) -> None:
        self._confirmed += 1
        self._see_whether_in_order()

    def _see_whether_in_order(self) -> None:
        if self._confirmed == self._sent and self._client.is_connected():
            self._in_order.set()


@dataclass(frozen=True, slots=True)
class Expected:
    """What one undisturbed pipeline makes of all messages: windows and newest event time by stream, alert steps."""

    windows: dict[str, int]
    newest_seconds: dict[str, float]
    alerts: set[tuple[str, str]]


def expected_of(config: Path, devices: list[Device], progress: Callable[[int], None]) -> Expected:
    """Walk through everything once, in this process, message by message."""
    pipeline = build_pipeline(load_setup(config), lambda source, topic, discard: None)
    alerts: set[tuple[str, str]] = set()
    now = time.time()
    for device in devices:
        for topic, payload in device.sent:
            step = pipeline.step(MessageBatch.of([Message(topic, payload, now)]), Moment(now, 0.0), everything=True)
            told = [json.loads(report.payload) for report in step.reports if report.step is not None]
            alerts |= {(alert["id"], alert["phase"]) for alert in told}
        progress(len(device.sent))
    windows, newest = {}, {}
    for fleet in pipeline.model_groups.values():
        for name, number in fleet.streams.number.items():
            windows[name] = int(fleet.streams.windows_scored[number])
            newest[name] = float(fleet.streams.end_seconds[number])
    return Expected(windows, newest, alerts)


class Listener:
    """Hears every alert step; stays subscribed over broker restarts."""

    def __init__(self, port: int, base_topic: str) -> None:
        self.steps: Counter[tuple[str, str]] = Counter()
        self.states: dict[str, dict[str, object]] = {}
        self._subscribed = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="listener", clean_session=False)
        self._client.on_message = self._on_message
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._topics = [(f"{base_topic}/+/alert", 1), (f"{base_topic}/+/state", 1)]
        self._client.on_connect = self._on_connect
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        if not self._subscribed.wait(10.0):
            raise TimeoutError("the broker does not let us listen")

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, client: paho.Client, *_: object) -> None:
        client.subscribe(self._topics)

    def _on_message(self, _client: paho.Client, _userdata: object, message: paho.MQTTMessage) -> None:
        if not message.payload:
            return
        fields = json.loads(message.payload)
        if message.topic.endswith("/state"):
            self.states[fields["stream"]] = fields
            return
        count_step(self.steps, (fields["id"], fields["phase"]), marked=message.dup)


def count_step(steps: Counter[tuple[str, str]], step: tuple[str, str], *, marked: bool) -> None:
    """Count a step of an alert that was heard, unless the broker repeats itself because our own answer was lost.

    marked: whether the message says that it may be a duplicate. Some brokers pass on the mark of what the daemon sent
    again, so a marked step may be the first.
    """
    if not (marked and step in steps):
        steps[step] += 1
