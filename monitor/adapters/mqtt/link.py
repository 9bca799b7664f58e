"""The MQTT link: a broker connection that is kept up for ever, as a source of telemetry and as a sink for alerts.

One thread of ours owns the connection (`upkeep`) and is the only one that touches the MQTT library (paho). The library
does the protocol's conversation: CONNECT, SUBSCRIBE, keep-alive. Telemetry is cut out of the stream before it
(`link_socket`, `frames`) and confirmed only when it is safe (`inbound_session`). What is published goes past it, too,
because deliveries outlive a process (`outbound_session`).
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from monitor.adapters.mqtt.delivery_progress import DeliveryProgress
from monitor.adapters.mqtt.inbound_session import merge_resumes, resume_of
from monitor.adapters.mqtt.inbox import Inbox
from monitor.adapters.mqtt.outbound_session import Answer, OutboundSession
from monitor.adapters.mqtt.send_queue import Outgoing
from monitor.adapters.mqtt.settings import MqttConfig
from monitor.adapters.mqtt.traffic import Traffic
from monitor.adapters.mqtt.upkeep import Upkeep
from monitor.core.ports import Delivery, Progress, StepKey, TakeLimits, Told, Wake, do_nothing
from monitor.core.values.messages import MessageBatch, Token


class MqttLink:
    """The link to the broker: a source of what is subscribed to, and a sink for alerts and states.

    subscriptions: pairs of topic filter and QoS. Messages wait in `inbox`; those of QoS 1 and 2 have a token and must
    be acknowledged once they are safe. While the inbox has no room, nothing is read. A payload longer than
    `max_payload_bytes` arrives cut to one byte more than that. durable: whether somebody commits the progress of
    deliveries; without that, alerts go out at QoS 1, because QoS 2 would promise nothing. listen_only: no status, no
    last will, and no session that the broker keeps. clock: arrival times, epoch seconds.
    """

    name = "mqtt"

    def __init__(
        self,
        config: MqttConfig,
        subscriptions: Sequence[tuple[str, int]],
        inbox: Inbox,
        *,
        max_payload_bytes: int,
        durable: bool = False,
        listen_only: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.inbox = inbox
        self._config = config
        self._durable = durable
        self._alert_qos = config.alert_qos if durable else 1
        self._traffic = Traffic(inbox, max_payload_bytes, clock, OutboundSession(mqtt5=config.protocol == "5"))
        self._deliveries = DeliveryProgress()
        self._upkeep = Upkeep(config, tuple(subscriptions), self._traffic, listen_only=listen_only)

    def start(self, wake: Wake = do_nothing) -> None:
        """Start the thread; it connects, and goes on trying until `leave`. A second call does nothing."""
        if self._upkeep.started:
            return
        self._traffic.wake = wake
        self._traffic.inbox.call_on_arrival(wake)
        self._traffic.inbox.call_on_room(self._traffic.waker.wake)
        self._upkeep.start()

    # --- a source

    def remember(self, resume: bytes) -> None:
        """Know what a former process made safe and perhaps could not acknowledge any more; before `start`."""
        self._traffic.inbound.remember(resume)
        self._traffic.session_kept = True

    def take(self, limits: TakeLimits) -> MessageBatch | None:
        """The messages that wait, each share's oldest first; None if none does."""
        return self.inbox.take(limits)

    def acknowledge(self, tokens: Sequence[Token]) -> None:
        """Confirm messages, in this order: what they carry is safe."""
        self._traffic.acknowledged.extend(tokens)
        self._traffic.waker.wake()

    def resume_of(self, tokens: Sequence[Token]) -> bytes:
        """What a later process has to know of messages that are safe: what the broker may deliver again."""
        return resume_of(tokens)

    def merge(self, resumes: Sequence[bytes]) -> bytes:
        """Several of what `resume_of` gave, in order, as one."""
        return merge_resumes(resumes)

    def stop_receiving(self) -> None:
        """Put nothing more into the inbox. The broker keeps what it still has to deliver at QoS 1 and 2."""
        self._traffic.receiving = False
        self._traffic.waker.wake()

    def give_up(self) -> int:
        """Let go of the inbox: the broker keeps what is to be acknowledged, the rest is lost and counted."""
        before = self.inbox.dropped
        self.inbox.clear()
        return self.inbox.dropped - before

    @property
    def finished(self) -> bool:
        """Never: there may always come more."""
        return False

    # --- a sink

    def begin(self, delivery: Delivery) -> bytes:
        """Choose the packet identifier that a delivery of QoS 2 has for its whole life."""
        return self._deliveries.begin(delivery.key)

    def deliver(self, delivery: Delivery) -> None:
        """Publish a step of an alert; with QoS 2 the broker gets it exactly once."""
        packet_id, released = self._deliveries.take_up(delivery)
        topic = f"{self._config.base_topic}/{delivery.topic}"
        outgoing = Outgoing(topic, delivery.payload, self._alert_qos, False, delivery.key, packet_id, delivery.begun)
        if not self._put(outgoing._replace(released=released)) and not self._durable:
            self._deliveries.forget(delivery.key)  # nobody will hand it over again

    def progress(self) -> list[Progress]:
        """What the broker has received, and what is delivered for good, since the last call."""
        outbound = self._traffic.outbound
        if not outbound.received and not outbound.confirmed:
            return []
        return self._deliveries.progress(_emptied(outbound.received), _emptied(outbound.confirmed))

    def committed(self, keys: Iterable[StepKey]) -> None:
        """Let the broker pass on what it has received: that it did is committed."""
        packet_ids = self._deliveries.released(keys)
        if packet_ids:
            self._traffic.released.extend(packet_ids)
            self._traffic.waker.wake()

    def tell(self, state: Told) -> None:
        """Publish a state, retained."""
        self.publish(self.retained_at(state.topic), state.payload, 1, retain=True)

    def retained_at(self, topic: str) -> str:
        """The full topic: whoever clears it may have another base topic."""
        return f"{self._config.base_topic}/{topic}"

    def clear(self, place: str) -> bool:
        """Clear a retained message; False where too many messages wait already."""
        return self.publish(place, b"", 1, retain=True)

    @property
    def idle(self) -> bool:
        """Whether nothing waits to be published or answered."""
        return not len(self._traffic.send_queue) and not self._traffic.outbound.in_flight

    def publish(self, topic: str, payload: bytes, qos: Literal[0, 1] = 1, retain: bool = False) -> bool:
        """Hand a message over for publishing; False (and counted) where too many wait already.

        Raises:
            ValueError: `topic` is none to publish to.

        """
        return self._put(Outgoing(topic, payload, qos, retain))

    def _put(self, message: Outgoing) -> bool:
        if not message.topic or any(mark in message.topic for mark in "+#\0"):
            raise ValueError(f"{message.topic!r} is no topic to publish to")
        accepted = self._traffic.send_queue.put(message._replace(since=time.monotonic()))
        self._traffic.waker.wake()
        return accepted

    # --- the end

    def leave(self, timeout_seconds: float) -> None:
        """Begin to publish what waits, say `offline` and disconnect; no longer `alive` when that is done or given up.

        What the broker receives meanwhile still has to be committed.
        """
        if self._traffic.leave_before is None:
            self._traffic.leave_before = time.monotonic() + timeout_seconds
        self._upkeep.leave()

    def stop(self, timeout_seconds: float) -> None:
        """Leave and join the thread; give up after the timeout."""
        self.leave(timeout_seconds)
        self._upkeep.join(timeout_seconds)

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._upkeep.alive

    # --- what others ask

    @property
    def connected(self) -> bool:
        """Whether we are connected and the broker has confirmed the subscriptions."""
        return self.connected_since is not None

    @property
    def connected_since(self) -> float | None:
        """Epoch seconds; None while not connected."""
        connection = self._upkeep.connection
        return None if connection is None else connection.online_since

    @property
    def reconnects(self) -> int:
        """How often a connection was made after the first."""
        return max(0, self._traffic.connections - 1)

    @property
    def last_error(self) -> str | None:
        """Why there is no connection, or what is wrong with it; None while all is well."""
        connection = self._upkeep.connection
        if connection is None or connection.online_since is None:
            return self._upkeep.failure
        denied = connection.denied_topics
        return f"the broker denies subscriptions: {', '.join(denied)}" if denied else None

    @property
    def denied_topics(self) -> tuple[str, ...]:
        """Topic filters that the broker does not let us subscribe to."""
        connection = self._upkeep.connection
        return () if connection is None else connection.denied_topics

    @property
    def publish_dropped(self) -> int:
        """How many messages were not taken for publishing, too many waiting."""
        return self._traffic.send_queue.dropped

    @property
    def sessions_lost(self) -> dict[str, int]:
        """How often another client took our place, and how often the broker had not kept our session, by reason."""
        return {"taken_over": self._traffic.sessions_taken_over, "not_kept": self._traffic.sessions_not_kept}

    @property
    def publish_refused(self) -> int:
        """How many messages the broker did not take: refused, or larger than it says it takes."""
        return self._traffic.refused

    @property
    def unconfirmed(self) -> int:
        """How many messages the broker has not confirmed yet, those included that wait to be sent."""
        return len(self._traffic.send_queue) + self._traffic.outbound.in_flight

    @property
    def oldest_unconfirmed_seconds(self) -> float:
        """How long the oldest of them has waited; 0 where there is none."""
        queued = self._traffic.send_queue.oldest
        waiting = [since for since in (self._traffic.unanswered_since, queued and queued.since) if since is not None]
        return max(0.0, time.monotonic() - min(waiting)) if waiting else 0.0

    @property
    def last_progress_monotonic(self) -> float:
        """When the thread last went round; it stands still only while it connects, for some seconds."""
        return self._upkeep.last_progress_monotonic


def _emptied(answers: deque[Answer]) -> list[Answer]:
    return [answers.popleft() for _ in range(len(answers))]
