"""The MQTT link: a broker connection that is kept up for ever.

One thread of ours owns the connection and is the only one that touches the MQTT library (paho). The library does the
protocol's conversation: CONNECT, SUBSCRIBE, keep-alive. Telemetry is cut out of the stream before it (`mqtt_socket`,
`mqtt_frames`) and confirmed only when it is safe (`mqtt_receipts`). What we publish goes past it, too, because our
deliveries outlive a process (`mqtt_deliveries`).

Whatever ends a connection (refused, lost, silent, an error of our own) is logged with its reason and followed by the
next attempt, after a jittered delay.
"""

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

import structlog

from monitor.adapters.mqtt.client import SettingsFileError, explain
from monitor.adapters.mqtt.connection import Connection, ConnectionOverError, Traffic
from monitor.adapters.mqtt.frames import FrameError
from monitor.adapters.mqtt.inbound_session import Receipt
from monitor.adapters.mqtt.inbox import Inbox
from monitor.adapters.mqtt.outbound_session import Delivery, OutboundSession
from monitor.adapters.mqtt.send_queue import Outgoing
from monitor.adapters.mqtt.settings import MqttConfig
from monitor.core.values.backoff import Backoff

log = structlog.get_logger()

_FIRST_DELAY_SECONDS = 1.0
_STABLE_SECONDS = 10.0  # a connection that held so long was a good one: back-off starts over
_JOIN_SECONDS = 0.5  # beyond the timeout, for the thread to notice it


class MqttLink:
    """The link to the broker.

    `subscriptions` are pairs of topic filter and QoS. Messages go to `inbox`; those with a receipt (QoS 1 and 2) must
    be handed to `acknowledge` once they are safe. While the inbox has no room, nothing is read. A payload longer than
    `max_payload_bytes` arrives cut to one byte more than that. A guest only listens in: it has no status, no last
    will, and no session that the broker keeps. `clock` tells when messages arrive, in epoch seconds.
    """

    def __init__(
        self,
        config: MqttConfig,
        subscriptions: Sequence[tuple[str, int]],
        inbox: Inbox,
        *,
        max_payload_bytes: int,
        listen_only: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._subscriptions = tuple(subscriptions)
        self._listen_only = listen_only
        self._traffic = Traffic(inbox, max_payload_bytes, clock, OutboundSession(mqtt5=config.protocol == "5"))
        self._connection: Connection | None = None
        self._failure: str | None = None
        self._last_progress = time.monotonic()
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)

    def start(self) -> None:
        """Start the thread; it connects, and goes on trying until `stop`."""
        self._traffic.inbox.call_on_room(self._traffic.waker.wake)
        self._traffic.waker.open()
        self._thread.start()

    def stop_receiving(self) -> None:
        """Put nothing more into the inbox. The broker keeps what it still has to deliver at QoS 1 and 2."""
        self._traffic.receiving = False
        self._traffic.waker.wake()

    def leave(self, timeout_seconds: float) -> None:
        """Begin to publish what waits, say `offline` and disconnect; no longer `alive` when that is done or given up.

        What the broker receives meanwhile still has to be released.
        """
        if self._traffic.leave_before is None:
            self._traffic.leave_before = time.monotonic() + timeout_seconds
        self._leaving.set()
        self._traffic.waker.wake()

    def stop(self, timeout_seconds: float) -> None:
        """Leave and join the thread; give up after the timeout."""
        self.leave(timeout_seconds)
        self._thread.join(timeout_seconds + _JOIN_SECONDS)
        if self._thread.is_alive():
            log.warning("the broker connection did not end in time", timeout_seconds=timeout_seconds)
            return
        self._traffic.waker.close()
        if len(self._traffic.outbox):
            log.warning("messages were left unpublished", messages=len(self._traffic.outbox))

    def publish(self, topic: str, payload: bytes, qos: Literal[0, 1] = 1, retain: bool = False) -> bool:
        """Hand a message over for publishing; False (and counted) where too many wait already.

        Raises:
            ValueError: `topic` is none to publish to.

        """
        return self._put(Outgoing(topic, payload, qos, retain))

    def deliver(self, message: Outgoing) -> bool:
        """Hand over a step of an alert, as `publish`; with QoS 2, and a packet identifier, it comes exactly once.

        `take_received` says when the broker has it, and it is passed on once it was handed to `release`; then
        `take_confirmed` says that it is done. With QoS 1 only the latter.
        """
        return self._put(message)

    def _put(self, message: Outgoing) -> bool:
        if not message.topic or any(mark in message.topic for mark in "+#\0"):
            raise ValueError(f"{message.topic!r} is no topic to publish to")
        accepted = self._traffic.outbox.put(message)
        self._traffic.waker.wake()
        return accepted

    def acknowledge(self, receipts: Iterable[Receipt]) -> None:
        """Confirm messages, in this order: what they carry is safe."""
        self._traffic.acknowledged.extend(receipts)
        self._traffic.waker.wake()

    def remember(self, safe: Mapping[int, int]) -> None:
        """Before `start`: know what a former process made safe and perhaps could not acknowledge any more.

        safe: the checksum of topic and payload, by packet identifier (both are in receipts).
        """
        self._traffic.receipts.remember(safe)

    def take_received(self) -> list[Delivery]:
        """The steps of alerts that the broker has received since the last call, to be noted and then released."""
        return _emptied(self._traffic.deliveries.received)

    def release(self, received: Iterable[Delivery]) -> None:
        """Let the broker pass on what it has received: that it did is committed."""
        packet_ids = [packet_id for packet_id, _ in received]
        if packet_ids:
            self._traffic.released.extend(packet_ids)
            self._traffic.waker.wake()

    def take_confirmed(self) -> list[Delivery]:
        """The steps of alerts that are delivered for good since the last call."""
        return _emptied(self._traffic.deliveries.confirmed)

    @property
    def connected(self) -> bool:
        """Whether we are connected and the broker has confirmed the subscriptions."""
        return self.connected_since is not None

    @property
    def connected_since(self) -> float | None:
        """Epoch seconds; None while not connected."""
        connection = self._connection
        return None if connection is None else connection.online_since

    @property
    def reconnects(self) -> int:
        """How often a connection was made after the first."""
        return max(0, self._traffic.connections - 1)

    @property
    def last_error(self) -> str | None:
        """Why there is no connection, or what is wrong with it; None while all is well."""
        connection = self._connection
        if connection is None or connection.online_since is None:
            return self._failure
        denied = connection.denied_topics
        return f"the broker denies subscriptions: {', '.join(denied)}" if denied else None

    @property
    def denied_topics(self) -> tuple[str, ...]:
        """Topic filters that the broker does not let us subscribe to."""
        connection = self._connection
        return () if connection is None else connection.denied_topics

    @property
    def publish_dropped(self) -> int:
        """How many messages `publish` refused."""
        return self._traffic.outbox.dropped

    @property
    def last_received_monotonic(self) -> float | None:
        """When a message came last (or the connection began), on the monotonic clock."""
        connection = self._connection
        return None if connection is None else connection.last_received

    @property
    def last_progress_monotonic(self) -> float:
        """When the thread last went round; it stands still only while it connects, for some seconds."""
        connection = self._connection
        return self._last_progress if connection is None else max(self._last_progress, connection.last_progress)

    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def _run(self) -> None:
        backoff = Backoff(_FIRST_DELAY_SECONDS, self._config.reconnect_ceiling_seconds, random.Random())
        while not self._leaving.is_set():
            began = self._last_progress = time.monotonic()
            failure = self._connect_and_serve()
            if failure is None:
                break
            self._failure = failure
            if time.monotonic() - began > _STABLE_SECONDS:
                backoff.reset()
            delay_seconds = backoff.next_seconds()
            log.warning("no broker connection", reason=failure, retry_seconds=round(delay_seconds, 1))
            self._rest(delay_seconds)

    def _rest(self, delay_seconds: float) -> None:
        """Wait, visibly alive; at most until we leave."""
        now = time.monotonic()
        again = now + delay_seconds
        while now < again and not self._leaving.wait(min(again - now, 1.0)):
            now = self._last_progress = time.monotonic()

    def _connect_and_serve(self) -> str | None:
        """One connection from beginning to end; why it ended, None if we left."""
        connection = self._connection = Connection(
            self._config, self._subscriptions, self._traffic, listen_only=self._listen_only
        )
        try:
            connection.open()
            connection.serve()
        except (ConnectionOverError, FrameError, SettingsFileError) as error:
            return str(error)
        except OSError as error:
            if connection.online_since is None:
                return explain(error, self._config)
            return f"connection lost: {error.strerror or error}"
        except Exception as error:
            # an error of ours: it must not end the link, and must not pass unseen
            log.exception("the broker connection met an unexpected error")
            return f"{type(error).__name__}: {error}"
        else:
            return None
        finally:
            connection.close()


def _emptied(deliveries: deque[Delivery]) -> list[Delivery]:
    return [deliveries.popleft() for _ in range(len(deliveries))]
