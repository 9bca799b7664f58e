"""Recordings as messages: what a device would have sent, with its own timestamps, published at QoS 1."""

import heapq
import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import msgspec
import numpy as np
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from monitor.core.dataset.recording import Recording

MESSAGE_SECONDS = 0.25  # of signal per message, as bedside monitors and gateways send it; at least one sample
_ACKNOWLEDGED_SECONDS = 60.0
_MOST_UNACKNOWLEDGED = 1000  # beyond it the publisher waits, so that it holds little in memory


@dataclass(frozen=True, slots=True)
class TimedMessage:
    """A payload with its topic, due so many seconds after its stream began, carrying so many samples."""

    due_seconds: float
    topic: str
    payload: bytes
    samples: int


def messages_of(recording: Recording, topic: str) -> Iterator[TimedMessage]:
    """Cut a recording into messages `{"time": of the first sample, "rows": [[…], …]}`. None spans a gap or break."""
    count, period = len(recording.samples), recording.sample_period_seconds
    longest = max(1, round(MESSAGE_SECONDS / period))
    steps = np.diff(recording.time_seconds)
    broken = (np.abs(steps - period) > period / 2) | (np.diff(recording.segment) != 0)
    starts = [0, *(np.flatnonzero(broken) + 1).tolist(), count]
    for opens, closes in itertools.pairwise(starts):
        for first in range(opens, closes, longest):
            rows = slice(first, min(first + longest, closes))
            time_seconds = recording.time_seconds[rows]
            payload = msgspec.json.encode({"time": float(time_seconds[0]), "rows": recording.samples[rows].tolist()})
            due = float(time_seconds[-1] - recording.time_seconds[0])
            yield TimedMessage(due, topic, payload, len(time_seconds))


def in_order(streams: Iterable[Iterator[TimedMessage]]) -> Iterator[TimedMessage]:
    """Messages of streams that all began at the same moment, in the order in which they are due."""
    return heapq.merge(*streams, key=lambda message: message.due_seconds)


def publish(
    port: int, messages: Iterable[TimedMessage], speed: float | None, on_published: Callable[[TimedMessage], None]
) -> None:
    """Publish to the broker on this machine, `speed` times as fast as it happened (None: as fast as it goes).

    Returns when the broker has acknowledged every message.

    Raises:
        TimeoutError: it does not.

    """
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(_MOST_UNACKNOWLEDGED)
    client.connect("127.0.0.1", port)
    client.loop_start()
    pending: list[paho.MQTTMessageInfo] = []
    began = time.monotonic()
    try:
        for message in messages:
            if speed is not None:
                time.sleep(max(0.0, began + message.due_seconds / speed - time.monotonic()))
            pending.append(client.publish(message.topic, message.payload, qos=1))
            if len(pending) >= _MOST_UNACKNOWLEDGED:
                _wait_acknowledged(pending)
            on_published(message)
        _wait_acknowledged(pending)
    finally:
        client.disconnect()
        client.loop_stop()


def _wait_acknowledged(pending: list[paho.MQTTMessageInfo]) -> None:
    for info in pending:
        info.wait_for_publish(_ACKNOWLEDGED_SECONDS)
        if not info.is_published():
            raise TimeoutError(f"the broker has not acknowledged a message for {_ACKNOWLEDGED_SECONDS:g} s")
    pending.clear()
