"""One connection to the broker, from CONNECT to its end.

Only the network thread is here. The other threads hand over through `Traffic` and wake it. A connection counts as
online once the broker has confirmed the subscriptions; then it says so on the status topic.
"""

import select
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from paho.mqtt.client import ConnectFlags, DisconnectFlags
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from monitor.adapters.mqtt.client import FramingClient, explain_close, explain_early_end, explain_refusal
from monitor.adapters.mqtt.frames import FrameReader
from monitor.adapters.mqtt.inbound_session import InboundSession, Receipt
from monitor.adapters.mqtt.inbox import Inbox
from monitor.adapters.mqtt.link_socket import FrameSocket
from monitor.adapters.mqtt.outbound_session import UNTOLD_IN_FLIGHT, OutboundSession
from monitor.adapters.mqtt.send_queue import Outgoing, SendQueue
from monitor.adapters.mqtt.settings import MqttConfig
from monitor.adapters.mqtt.waker import Waker
from monitor.core.ports import Wake, do_nothing

log = structlog.get_logger()

_MAX_OUTGOING_MESSAGES = 20_000
_HANDSHAKE_SECONDS = 10.0  # from TCP connection to confirmed subscriptions
_TICK_SECONDS = 0.5
# After a read that emptied the socket: else the broker and we wake one another for every few messages. At 20,000 a
# second this thread takes 15 % of a core without it.
_NAP_SECONDS = 0.002
_PINGREQ = b"\xc0\x00"
_DEAD_TIMES = 2.0  # the keep-alive, without a byte from the broker although it was asked: the connection is dead
_READS_PER_TURN = 4  # then acknowledgements and what we publish get their turn


class ConnectionOverError(Exception):
    """The connection must end; the text says why."""


@dataclass(slots=True)
class Traffic:
    """What the network thread shares with the others, for as long as the link lives.

    outbound, inbound: the network thread's own, but for the deques of the former, which any thread may empty.
    released: packet identifiers for `OutboundSession.release`. receiving: whether messages go to the inbox.
    leave_before: once set, say goodbye and be gone by then (monotonic). wake: lets the engine look at what came or was
    answered. unanswered_since: when the oldest message was handed over that waits for its answer (monotonic).
    """

    inbox: Inbox
    max_payload_bytes: int
    clock: Callable[[], float]
    outbound: OutboundSession
    send_queue: SendQueue = field(default_factory=lambda: SendQueue(_MAX_OUTGOING_MESSAGES))
    acknowledged: deque[Receipt] = field(default_factory=deque)
    released: deque[int] = field(default_factory=deque)
    inbound: InboundSession = field(default_factory=InboundSession)
    waker: Waker = field(default_factory=Waker)
    receiving: bool = True
    leave_before: float | None = None
    wake: Wake = do_nothing
    connections: int = 0  # how many came online
    unanswered_since: float | None = None
    downgrade_shown: bool = False


class Connection:
    """One connection; `open`, then `serve` until it ends, then `close`. Attributes may be read by any thread.

    online_since: epoch seconds, None before the broker has confirmed the subscriptions. denied_topics: subscriptions
    it refused. last_received, last_progress: when a message came and when the loop went round, monotonic seconds.
    A link that listens only leaves no traces: no status, no last will, no session that the broker keeps.
    """

    def __init__(
        self, config: MqttConfig, subscriptions: Sequence[tuple[str, int]], traffic: Traffic, *, listen_only: bool
    ) -> None:
        self.online_since: float | None = None
        self.denied_topics: tuple[str, ...] = ()
        self.last_received = self.last_progress = self._began = time.monotonic()
        self._last_bytes = self._last_ping = self._began
        self._config = config
        self._subscriptions = list(subscriptions)
        self._traffic = traffic
        self._listen_only = listen_only
        self._status_topic = f"{config.base_topic}/status"
        self._said_goodbye = False
        self._over_because: str | None = None
        self._client: FramingClient | None = None
        self._wire: FrameSocket | None = None

    def open(self) -> None:
        """Connect and send CONNECT; blocks for some seconds at most.

        Raises:
            SettingsFileError: the password or a certificate cannot be read.
            OSError: the broker cannot be reached, or TLS fails.

        """
        persistent = not self._listen_only and any(qos > 0 for _, qos in self._subscriptions)
        mqtt5 = self._config.protocol == "5"
        traffic = self._traffic
        reader = FrameReader(mqtt5, traffic.max_payload_bytes, traffic.inbound, traffic.outbound)
        client = FramingClient(self._config, reader, persistent=persistent)
        if not self._listen_only:
            client.will_set(self._status_topic, b"offline", qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        self._wire = client.open(self._config)
        self._client = client

    def serve(self) -> None:
        """Go round until the connection is over.

        Raises:
            ConnectionOverError: with the reason, unless we have left as we were asked to.
            FrameError: the broker sent what is no MQTT.
            OSError: the connection broke.

        """
        client, wire, traffic = self._client, self._wire, self._traffic
        if client is None or wire is None:
            raise RuntimeError("open() comes first")
        # poll, not selectors: interest in the socket may be empty while the inbox is full
        poll = select.poll()
        poll.register(traffic.waker, select.POLLIN)
        poll.register(wire, select.POLLIN)
        while client.socket() is not None:
            now = self.last_progress = time.monotonic()
            self._hand_over(client, wire)
            oldest = traffic.outbound.oldest
            traffic.unanswered_since = None if oldest is None else oldest.since
            if traffic.leave_before is not None and self._take_leave(client, now, traffic.leave_before):
                return
            if client.socket() is None:
                break  # writing told the library that it is over
            # also before we are online: a session that goes on begins with all that the broker holds for us
            reading = not traffic.receiving or traffic.inbox.has_room()
            self._check_times(now, reading)
            self._keep_alive(wire, now)
            writing = wire.unsent or client.want_write()
            poll.modify(wire, (select.POLLIN if reading else 0) | (select.POLLOUT if writing else 0))
            for descriptor, events in poll.poll(0 if reading and wire.buffered else _TICK_SECONDS * 1000):
                if descriptor == traffic.waker.fileno():
                    traffic.waker.rest()
                elif events & (select.POLLHUP | select.POLLERR):
                    reading = True  # reading tells what happened
            if reading:
                self._receive(client, wire)
        if traffic.leave_before is None:
            raise ConnectionOverError(self._over_because or explain_close(self._config, traffic.outbound.oldest))

    def close(self) -> None:
        """Close the socket; what the broker has not confirmed goes back to the send queue."""
        self.online_since = None
        self._traffic.send_queue.put_back(self._traffic.outbound.end())
        self._client = None  # it refers to us: without this, only the garbage collector would end both
        if self._wire is not None:
            self._wire.abort()

    def _receive(self, client: FramingClient, wire: FrameSocket) -> None:
        for _ in range(_READS_PER_TURN):
            messages = wire.receive(self._traffic.clock())
            if wire.received:
                self._last_bytes = time.monotonic()
            if messages:
                self.last_received = time.monotonic()
                if self._traffic.receiving:
                    self._traffic.inbox.extend(messages)
            full = not self._traffic.inbox.has_room()
            self._note_answers()
            while wire.for_library and client.socket() is not None:
                client.loop_read()
            if full and self._traffic.receiving:
                return  # the inbox may be passed by what one read brings, not by four
            if not wire.buffered:
                if messages and wire.drained:
                    time.sleep(_NAP_SECONDS)
                return

    def _hand_over(self, client: FramingClient, wire: FrameSocket) -> None:
        """Give the broker what the other threads have for it, as far as it takes it."""
        traffic = self._traffic
        if self.online_since is not None:
            while traffic.acknowledged:
                traffic.inbound.acknowledge(traffic.acknowledged.popleft())
            while traffic.released:
                traffic.outbound.release([traffic.released.popleft()])
            while traffic.outbound.has_room and not wire.congested:
                message = traffic.send_queue.take()
                if message is None:
                    break
                traffic.outbound.send(message)
        wire.add(traffic.inbound.take_replies())
        wire.add(traffic.outbound.take_packets())
        client.loop_write()
        wire.flush()

    def _note_answers(self) -> None:
        """See what the broker answered to what we publish."""
        outbound = self._traffic.outbound
        if outbound.received or outbound.confirmed:
            self._traffic.wake(urgent=True)  # what the broker has is passed on once that is committed
        if outbound.downgraded and not self._traffic.downgrade_shown:
            self._traffic.downgrade_shown = True
            log.warning(
                "the broker answers QoS 2 as if it were QoS 1: a step of an alert may come twice after a crash",
                remedy="mqtt.alert_qos = 1 makes this the rule and ends the warning",
            )
        while outbound.refused:
            message, code = outbound.refused.popleft()
            known = code in ReasonCode.names
            reason = str(ReasonCode(PacketTypes.PUBACK, identifier=code)) if known else f"reason code {code}"
            log.error("broker refuses what we publish", topic=message.topic, reason=reason)

    def _keep_alive(self, wire: FrameSocket, now: float) -> None:
        """Have the broker answer once in a while, and tell it that we live.

        Not by the library: it takes the broker for dead when a PINGRESP waits behind telemetry that we do not read yet.
        """
        if now - self._last_ping >= self._config.keepalive_seconds:
            self._last_ping = now
            wire.add(_PINGREQ)

    def _check_times(self, now: float, reading: bool) -> None:
        if not reading:
            self._began = self._last_bytes = self.last_received = now  # silence of our own making does not count
            return
        silence_seconds = now - self._last_bytes
        if silence_seconds > _DEAD_TIMES * self._config.keepalive_seconds:
            raise ConnectionOverError(f"the broker has not answered for {silence_seconds:.0f} s")
        if self.online_since is None:
            if now - self._began > _HANDSHAKE_SECONDS:
                raise ConnectionOverError(f"the broker did not confirm the subscriptions in {_HANDSHAKE_SECONDS:g} s")
            return
        limit_seconds = self._config.silence_timeout_seconds
        if not self._subscriptions:
            self.last_received = now
        elif limit_seconds and now - self.last_received > limit_seconds:
            raise ConnectionOverError(f"connected, but no message came for {limit_seconds:g} s")

    def _take_leave(self, client: FramingClient, now: float, leave_before: float) -> bool:
        """Go on saying goodbye: everything out, `offline`, DISCONNECT. True when there is nothing left to wait for."""
        if self.online_since is None or now > leave_before:
            return True
        if not len(self._traffic.send_queue) and not self._traffic.outbound.in_flight:
            if self._listen_only or self._said_goodbye:
                client.disconnect()
            else:
                self._traffic.outbound.send(self._status(b"offline"))
                self._said_goodbye = True
        return False

    # What the library tells

    def _on_connect(
        self, client: Any, _userdata: Any, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure:
            raise ConnectionOverError(explain_refusal(reason, self._config))
        log.debug("broker accepted the connection", session_present=flags.session_present)
        # left out where there is no limit (MQTT 5.0, section 3.2.2.3); of MQTT 3.1.1 there are no properties at all
        mqtt5 = self._config.protocol == "5"
        max_qos = getattr(properties, "MaximumQoS", 2)
        receive_maximum = getattr(properties, "ReceiveMaximum", 65_535) if mqtt5 else UNTOLD_IN_FLIGHT
        self._traffic.outbound.begin(
            session_present=flags.session_present, max_qos=max_qos, receive_maximum=receive_maximum
        )
        if self._subscriptions:
            client.subscribe(self._subscriptions)
        else:
            self._go_online()

    def _on_subscribe(
        self, _client: Any, _userdata: Any, _mid: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        denied = []
        for (topic, _), reason in zip(self._subscriptions, reasons, strict=True):
            if reason.is_failure:
                denied.append(topic)
                log.error("broker denies a subscription", topic=topic, reason=str(reason), user=self._config.username)
        self.denied_topics = tuple(denied)
        self._go_online()

    def _go_online(self) -> None:
        if not self._listen_only:
            self._traffic.outbound.send(self._status(b"online"))
        self.last_received = time.monotonic()
        self.online_since = time.time()
        self._traffic.connections += 1
        log.info("broker connected", host=self._config.host, port=self._config.port, topics=len(self._subscriptions))

    def _status(self, payload: bytes) -> Outgoing:
        return Outgoing(self._status_topic, payload, 1, retain=True, since=time.monotonic())

    def _on_disconnect(
        self, _client: Any, _userdata: Any, flags: DisconnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self._over_because = explain_refusal(reason, self._config)
        elif self.online_since is None:
            self._over_because = explain_early_end(self._config)
        elif reason.is_failure:
            # CONN_LOST becomes "Unspecified error"; what really happened is that the stream ended
            lost = str(reason) == "Unspecified error"
            self._over_because = None if lost else f"connection lost: {reason}"
