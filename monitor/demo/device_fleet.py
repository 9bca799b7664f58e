"""A fleet of simulated devices that publishes over MQTT, in real time or faster, from a thread of its own.

Each device's payloads go to its topic. The truth goes beside it, to `truth/<topic>` (retained): a JSON object
`{"ts": epoch seconds, "label": 0 or 1, "faults": [names]}` whenever it changes.
"""

import collections
import contextlib
import itertools
import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import msgspec
import numpy as np
import paho.mqtt.client as paho

from monitor.core.sources.topics import CHANNEL, TopicPattern
from monitor.demo.plain_client import connect, disconnect, new_client
from monitor.simulators.simulator import SimulatedBlock, Simulator

TRUTH_PREFIX = "truth"
_FAREWELL_SECONDS = 2.0
_MOST_UNSENT = 1000  # messages handed to the client but not yet on the wire: beyond it the fleet waits


class Payload(StrEnum):
    """How samples become bytes."""

    JSON = "json"  # {"ts", "rows": [[...], ...]}, or {"ts", "values": [...]} where the message carries one channel
    F32 = "f32"  # packed little-endian float32, interleaved; no timestamp


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker is and how to get in."""

    host: str
    port: int = 1883
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class SimulatedDevice:
    """A simulator with a name, the pattern of its topics and the layout of its payloads."""

    name: str
    pattern: TopicPattern
    simulator: Simulator
    payload: Payload = Payload.JSON

    @property
    def topic(self) -> str:
        """The topic with the last placeholder filled by the device's name and the others by theirs, e.g. `site1`."""
        return "/".join(self._levels())

    @property
    def truth_topic(self) -> str:
        """Where the truth about this device goes."""
        return "/".join([TRUTH_PREFIX, *(level for level in self._levels() if level != f"{{{CHANNEL}}}")])

    def _levels(self) -> list[str]:
        levels = [level or "" for level in self.pattern.levels]
        for index, name in self.pattern.placeholders:
            levels[index] = f"{{{CHANNEL}}}" if name == CHANNEL else f"{name}1"
        named = [index for index, name in self.pattern.placeholders if name != CHANNEL]
        if named:
            levels[named[-1]] = self.name
        return levels

    def messages(self, block: SimulatedBlock, first_time_seconds: float) -> list[tuple[str, bytes]]:
        """Encode a block: one message, or one per channel where the topic names the channel."""
        if not self.pattern.has_channel:
            return [(self.topic, self._encode(block.values, first_time_seconds))]
        return [
            (self.topic.replace(f"{{{CHANNEL}}}", channel), self._encode(block.values[:, [column]], first_time_seconds))
            for column, channel in enumerate(self.simulator.kind.channels)
        ]

    def _encode(self, values: np.ndarray[tuple[int, int], np.dtype[np.float32]], first_time_seconds: float) -> bytes:
        if self.payload is Payload.F32:
            return values.astype("<f4").tobytes()
        # six decimals are finer than any of these sensors; NaN becomes null: a missing sample
        rows = np.round(values.astype(np.float64), 6)
        if values.shape[1] == 1:
            return msgspec.json.encode({"ts": first_time_seconds, "values": rows[:, 0].tolist()})
        return msgspec.json.encode({"ts": first_time_seconds, "rows": rows.tolist()})


@dataclass(frozen=True, slots=True)
class FleetStatus:
    """How the fleet is doing. `faults` maps the names of devices to the faults that show there now."""

    simulated_seconds: float
    messages: int
    unsent: int  # messages lost because the broker was away
    behind_seconds: float
    connected: bool
    faults: dict[str, tuple[str, ...]]


class SimulatedFleet:
    """Publishes the devices' telemetry until it is stopped or `duration_seconds` of simulated time have passed.

    Event time keeps to the clock. At a `speed` above 1 it starts in the past, so that it never runs ahead of the clock
    and has caught up when the duration ends; hence such a speed needs a duration.
    """

    def __init__(
        self,
        broker: Broker,
        devices: Sequence[SimulatedDevice],
        *,
        message_period_seconds: float = 0.1,
        qos: int = 0,
        speed: float = 1.0,
        duration_seconds: float = math.inf,
    ) -> None:
        if speed > 1 and math.isinf(duration_seconds):
            raise ValueError("a speed above 1 needs a duration, so that event time can end at the present")
        topics = [device.topic for device in devices]
        if len(set(topics)) < len(topics):
            raise ValueError(f"several devices would share the topic {topics[0]!r}: put {{device}} into it")
        if message_period_seconds * min(device.simulator.sample_rate_hz for device in devices) < 1:
            raise ValueError(f"a message every {message_period_seconds} s would carry no sample")
        self.devices = tuple(devices)
        self._broker = broker
        self._period_seconds = message_period_seconds
        self._qos = qos
        self._speed = speed
        self._duration_seconds = duration_seconds
        self._client = self._make_client()
        self._thread = threading.Thread(target=self._publish_all, name="simulated-fleet", daemon=True)
        self._stopping = threading.Event()
        self._in_flight: collections.deque[paho.MQTTMessageInfo] = collections.deque()
        self._shown: dict[str, tuple[str, ...]] = {}
        self._simulated_seconds = self._behind_seconds = 0.0
        self._messages = self._unsent = 0

    def _make_client(self) -> paho.Client:
        client = new_client()
        client.max_queued_messages_set(_MOST_UNSENT)
        if self._broker.username is not None:
            client.username_pw_set(self._broker.username, self._broker.password)
        if self._broker.ca_file is not None:
            client.tls_set(ca_certs=str(self._broker.ca_file))
        return client

    def start(self) -> None:
        """Connect and begin to publish.

        Raises:
            UnavailableError: the broker does not answer or does not let us in.

        """
        connect(self._client, self._broker.host, self._broker.port)
        self._thread.start()

    def stop(self) -> None:
        """Stop publishing, take the truth back and disconnect. Any thread may call it; a second call does nothing."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._thread.join()
        farewells = [self._client.publish(device.truth_topic, b"", qos=1, retain=True) for device in self.devices]
        # MQTT keeps the order: once the broker has the last of these, it has the telemetry before it. What is of QoS 2
        # it hands on when we have released it, which may come later.
        deadline = time.monotonic() + _FAREWELL_SECONDS
        for sent in (*self._in_flight, farewells[-1]):
            with contextlib.suppress(RuntimeError, ValueError):  # the broker is away
                sent.wait_for_publish(max(0.0, deadline - time.monotonic()))
        disconnect(self._client)

    def wait(self, timeout_seconds: float) -> bool:
        """Wait for the end of the duration; whether it has come."""
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    @property
    def status(self) -> FleetStatus:
        """How the fleet is doing."""
        return FleetStatus(
            simulated_seconds=self._simulated_seconds,
            messages=self._messages,
            unsent=self._unsent,
            behind_seconds=self._behind_seconds,
            connected=self._client.is_connected(),
            faults={device: faults for device, faults in self._shown.items() if faults},
        )

    def _publish_all(self) -> None:
        period, count = self._period_seconds, len(self.devices)
        head_start = self._duration_seconds * (1 - 1 / self._speed) if self._speed > 1 else 0.0
        epoch_seconds, began = time.time() - head_start, time.monotonic()
        for step in itertools.count():
            end_seconds = min((step + 1) * period, self._duration_seconds)
            if step * period >= self._duration_seconds:
                return
            for number, device in enumerate(self.devices):
                # devices take turns within the period: a real fleet does not speak in chorus
                due = began + (end_seconds + period * number / count) / self._speed
                self._behind_seconds = max(0.0, time.monotonic() - due)
                if self._stopping.wait(max(0.0, due - time.monotonic())):
                    return
                self._publish(device, step * period, end_seconds, epoch_seconds)
            self._simulated_seconds = end_seconds

    def _publish(self, device: SimulatedDevice, start: float, end: float, epoch_seconds: float) -> None:
        rate_hz = device.simulator.sample_rate_hz
        first = round(start * rate_hz)
        block = device.simulator.take(round(end * rate_hz) - first)
        if not len(block.values):
            return
        for topic, payload in device.messages(block, epoch_seconds + first / rate_hz):
            self._send(topic, payload)
        shown = np.bitwise_or.reduce(block.faults)
        names = tuple(sorted({f.name for bit, f in enumerate(device.simulator.faults) if shown >> bit & 1}))
        if names != self._shown.get(device.name, ()):
            changed = first + int(np.argmax(block.faults != 0)) if names else first
            truth = {"ts": epoch_seconds + changed / rate_hz, "label": int(bool(names)), "faults": names}
            self._client.publish(device.truth_topic, msgspec.json.encode(truth), qos=1, retain=True)
            self._shown = {**self._shown, device.name: names}

    def _send(self, topic: str, payload: bytes) -> None:
        sent = self._client.publish(topic, payload, qos=self._qos)
        # while the broker is away, the client keeps messages of QoS 1 and 2 for later, up to its limit
        kept = sent.rc == paho.MQTT_ERR_NO_CONN and self._qos > 0
        if sent.rc != paho.MQTT_ERR_SUCCESS and not kept:
            self._unsent += 1
            return
        self._messages += 1
        if not kept:
            self._in_flight.append(sent)
        self._settle()
        while len(self._in_flight) >= _MOST_UNSENT and self._client.is_connected():
            if self._stopping.wait(0.01):
                return
            self._settle()

    def _settle(self) -> None:
        """Forget the messages that have left the client, and count those that a broken connection took with it."""
        while self._in_flight:
            sent = self._in_flight[0]
            if sent.rc == paho.MQTT_ERR_CONN_LOST:
                self._messages -= 1
                self._unsent += 1
            elif not sent.is_published():
                return
            self._in_flight.popleft()
