"""One connection to the broker, from CONNECT to its end.

Only the network thread is here. The other threads hand over through `Traffic` and wake it. A connection counts as
online once the broker has confirmed the subscriptions; then it says so on the status topic.
"""

import select
import time
from collections.abc import Sequence
from typing import Any

import structlog
from paho.mqtt.client import ConnectFlags, DisconnectFlags
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from monitor.adapters.mqtt.broker_limits import BrokerLimits
from monitor.adapters.mqtt.client import (
    ASK_FOR_MQTT5,
    FramingClient,
    explain_close,
    explain_early_end,
    explain_refusal,
)
from monitor.adapters.mqtt.frames import FrameReader
from monitor.adapters.mqtt.link_socket import FrameSocket
from monitor.adapters.mqtt.liveness import Liveness
from monitor.adapters.mqtt.publisher import Publisher
from monitor.adapters.mqtt.send_queue import Outgoing
from monitor.adapters.mqtt.settings import MqttConfig
from monitor.adapters.mqtt.subscriptions import Subscriptions
from monitor.adapters.mqtt.traffic import Traffic

log = structlog.get_logger()

_TICK_SECONDS = 0.5
# After a read that emptied the socket: else the broker and we wake one another for every few messages. At 20,000 a
# second this thread takes 15 % of a core without it.
_NAP_SECONDS = 0.002
_TAKEN_OVER = 0x8E  # reason code; MQTT 5.0, section 2.4
_PINGREQ = b"\xc0\x00"
_READS_PER_TURN = 4  # then acknowledgements and what we publish get their turn


class ConnectionOverError(Exception):
    """The connection must end; the text says why."""


class Connection:
    """One connection; `open`, then `serve` until it ends, then `close`. Attributes may be read by any thread.

    online_since: epoch seconds, None before the broker has confirmed the subscriptions. last_progress: when the loop
    went round, monotonic seconds.
    A link that listens only leaves no traces: no status, no last will, no session that the broker keeps.
    """

    def __init__(
        self, config: MqttConfig, subscriptions: Sequence[tuple[str, int]], traffic: Traffic, *, listen_only: bool
    ) -> None:
        self.online_since: float | None = None
        self.last_progress = time.monotonic()
        silence_seconds = config.silence_timeout_seconds if subscriptions else 0.0
        self._liveness = Liveness(config.keepalive_seconds, silence_seconds, self.last_progress)
        self._config = config
        self._subscriptions = Subscriptions(subscriptions, config.username)
        self._traffic = traffic
        self._publisher = Publisher(traffic)
        self._listen_only = listen_only
        self._persistent = not listen_only and any(qos > 0 for _, qos in subscriptions)
        self._mqtt5 = config.protocol == "5"
        self._status_topic = f"{config.base_topic}/status"
        self._said_goodbye = False
        self._over_because: str | None = None
        self._over_code: int | None = None
        self._client: FramingClient | None = None
        self._wire: FrameSocket | None = None

    @property
    def denied_topics(self) -> tuple[str, ...]:
        """Topic filters that the broker does not let us subscribe to."""
        return self._subscriptions.denied

    def open(self) -> None:
        """Connect and send CONNECT; blocks for some seconds at most.

        Raises:
            SettingsFileError: the password or a certificate cannot be read.
            OSError: the broker cannot be reached, or TLS fails.

        """
        traffic, limits = self._traffic, self._traffic.fitting.limits
        reader = FrameReader(self._mqtt5, traffic.max_payload_bytes, traffic.inbound, traffic.outbound)
        client = FramingClient(self._config, reader, persistent=self._persistent)
        if not self._listen_only:
            client.will_set(self._status_topic, b"offline", qos=min(limits.max_qos, 1), retain=limits.retain)
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
            self._keep_alive(wire, now, reading)
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
        unanswered = self._traffic.outbound.end()
        self._traffic.fitting.connection_ended(unanswered, self._over_code)
        self._traffic.send_queue.put_back(unanswered)
        self._client = None  # it refers to us: without this, only the garbage collector would end both
        if self._wire is not None:
            self._wire.abort()

    def _receive(self, client: FramingClient, wire: FrameSocket) -> None:
        for _ in range(_READS_PER_TURN):
            messages = wire.receive(self._traffic.clock())
            if wire.received:
                self._liveness.bytes_came(time.monotonic())
            if messages:
                self._liveness.message_came(time.monotonic())
                if self._traffic.receiving:
                    self._traffic.inbox.extend(messages)
            full = not self._traffic.inbox.has_room()
            self._publisher.note_answers()
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
            self._publisher.publish_waiting(wire)
        wire.add(traffic.inbound.take_replies())
        wire.add(traffic.outbound.take_packets())
        client.loop_write()
        wire.flush()

    def _keep_alive(self, wire: FrameSocket, now: float, reading: bool) -> None:
        """Have the broker answer once in a while, tell it that we live, and see whether it is still there.

        Not by the library: it takes the broker for dead when a PINGRESP waits behind telemetry that we do not read yet.
        """
        liveness = self._liveness
        if not reading:
            liveness.is_not_read(now)
        if liveness.ping_is_due(now, self._traffic.fitting.limits.pings_every(self._config.keepalive_seconds)):
            wire.add(_PINGREQ)
        if liveness.asks(now):
            # what is subscribed to already is not changed by this, and what the broker has forgotten comes back
            wire.add(_PINGREQ + (self._subscriptions.packet() if self._mqtt5 else b""))
        over = liveness.end(now, online=self.online_since is not None)
        if over is not None:
            perhaps = self._mqtt5 and not self._traffic.accepted
            raise ConnectionOverError(f"{over} ({ASK_FOR_MQTT5})" if perhaps else over)

    def _take_leave(self, client: FramingClient, now: float, leave_before: float) -> bool:
        """Go on saying goodbye: everything out, `offline`, DISCONNECT. True when there is nothing left to wait for."""
        if self.online_since is None or now > leave_before:
            return True
        if not len(self._traffic.send_queue) and not self._traffic.outbound.in_flight:
            if self._listen_only or self._said_goodbye:
                client.disconnect()
            else:
                self._publisher.send(self._status(b"offline"))
                self._said_goodbye = True
        return False

    # What the library tells

    def _on_connect(
        self, client: Any, _userdata: Any, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        fitting = self._traffic.fitting
        if reason.is_failure:
            fitting.limits = fitting.limits.after_refusal(reason.value, properties) or fitting.limits
            raise ConnectionOverError(explain_refusal(reason, self._config))
        self._traffic.accepted = True
        log.debug("broker accepted the connection", session_present=flags.session_present)
        if self._mqtt5:  # of MQTT 3.1.1 there are no properties
            self._take_limits(BrokerLimits.told(properties))
        limits = fitting.limits
        self._traffic.outbound.begin(
            session_present=flags.session_present, max_qos=limits.max_qos, receive_maximum=limits.receive_maximum
        )
        self._note_session(present=flags.session_present)
        asked = self._subscriptions.ask(limits)
        if asked:
            client.subscribe(asked)
        else:
            self._go_online()

    def _note_session(self, *, present: bool) -> None:
        """Count a session that the broker should have kept, and has not."""
        traffic = self._traffic
        if traffic.session_kept and not present:
            traffic.sessions_not_kept += 1
            log.warning(
                "the broker has not kept our session: what came for us meanwhile at QoS 1 and 2 is lost",
                client_id=self._config.client_id,
                hint="it was restarted without persistence, the session expired (mqtt.session_expiry_seconds), or"
                " another client connected under our client_id; SECURITY.md says how to forbid that",
            )
        traffic.session_kept = self._persistent

    def _take_limits(self, limits: BrokerLimits) -> None:
        self._traffic.fitting.limits = limits
        for lacks in limits.shortcomings(self._config):
            log.warning("the broker does less than we want", reason=f"it has no {lacks}")

    def _on_subscribe(
        self, _client: Any, _userdata: Any, _mid: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        self._subscriptions.answered(reasons)
        if self.online_since is None:  # else they were made again, after a silence
            self._go_online()

    def _go_online(self) -> None:
        if not self._listen_only:
            self._publisher.send(self._status(b"online"))
        self._liveness.message_came(time.monotonic())
        self.online_since = time.time()
        self._traffic.connections += 1
        log.info(
            "broker connected", host=self._config.host, port=self._config.port, topics=len(self._subscriptions.wanted)
        )

    def _status(self, payload: bytes) -> Outgoing:
        return Outgoing(self._status_topic, payload, 1, retain=True, since=time.monotonic())

    def _on_disconnect(
        self, _client: Any, _userdata: Any, flags: DisconnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self._over_code = reason.value
            if reason.value == _TAKEN_OVER:
                self._traffic.sessions_taken_over += 1
            self._over_because = explain_refusal(reason, self._config)
        elif self.online_since is None:
            self._over_because = explain_early_end(self._config)
        elif reason.is_failure:
            # CONN_LOST becomes "Unspecified error"; what really happened is that the stream ended
            lost = str(reason) == "Unspecified error"
            self._over_because = None if lost else f"connection lost: {reason}"
