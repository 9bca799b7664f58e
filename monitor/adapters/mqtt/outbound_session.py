"""What we publish, from PUBLISH to the last answer: the sending half of MQTT's delivery promises.

This file owns how often the broker gets a message (MQTT 5.0, section 4.3; the same in 3.1.1). One of QoS 1 is sent
until PUBACK comes, so it may come twice. One of QoS 2, which is always a step of an alert, keeps its packet identifier
over connections and processes: PUBLISH is repeated under that identifier, by which the broker knows it, until PUBREC
comes. Whoever published it is told then (`received`), and PUBREL is sent once they have made a note of that
(`release`). From then on PUBREL alone is repeated. So when a process dies, at whatever moment, the next one repeats
only what the broker can tell from something new. Pure state: no socket, clock or thread.

Some brokers take QoS 2 for QoS 1 without a word and answer it with PUBACK (RabbitMQ, over MQTT 3.1.1). That is as much
as they will ever confirm: the message counts as delivered, and the rest goes out at QoS 1 (`downgraded`).
"""

import random
from collections import deque
from collections.abc import Container, Iterable
from dataclasses import dataclass

from monitor.adapters.mqtt.send_queue import Outgoing
from monitor.core.ports import StepKey

PUBACK, PUBREC, PUBCOMP = 0x40, 0x50, 0x70  # packet types; MQTT 5.0, section 2.1.2
_PUBLISH, _DUP, _RETAIN, _PUBREL = 0x30, 0x08, 0x01, 0x62
_FAILURE = 0x80  # reason codes from here on; MQTT 5.0, section 2.4

# Identifiers of QoS 2 outlive connections, so those of QoS 1 stay out of their way. 1 is the library's SUBSCRIBE.
_ONCE_OR_MORE_IDS = range(2, 0x8000)
EXACTLY_ONCE_IDS = range(0x8000, 0x10000)

# How many messages may wait for an answer. MQTT 3.1.1 cannot say what a broker takes: 20 is Mosquitto's window.
UNTOLD_IN_FLIGHT = 20
_MAX_IN_FLIGHT = 1000

Answer = tuple[int, StepKey]  # packet identifier, and the step of an alert that went under it


class PacketIds:
    """Hands out the packet identifiers of a range in turn.

    It begins anywhere: the broker may still hold a message of a process that has left no trace.
    """

    def __init__(self, ids: range) -> None:
        self._ids = ids
        self._next = random.randrange(len(ids))

    def take(self, in_use: Container[int]) -> int:
        """Give the next one that is not in use; any where all are."""
        for _ in self._ids:
            packet_id = self._ids[self._next]
            self._next = (self._next + 1) % len(self._ids)
            if packet_id not in in_use:
                break
        return packet_id


@dataclass(slots=True)
class _Sent:
    message: Outgoing
    received: bool = False  # PUBREC came


class OutboundSession:
    """The outbound half of one client's MQTT session, kept for as long as the process lives.

    received: alert steps of QoS 2 that the broker has and does not pass on yet, to be handed to `release`. confirmed:
    alert steps that are done. refused: messages that the broker will not have, with its reason code. downgraded: the
    broker answered QoS 2 as if it were QoS 1.
    """

    def __init__(self, *, mqtt5: bool) -> None:
        self.received: deque[Answer] = deque()
        self.confirmed: deque[Answer] = deque()
        self.refused: deque[tuple[Outgoing, int]] = deque()
        self.downgraded = False
        self._mqtt5 = mqtt5
        self._session_present = False
        self._max_qos = 2
        self._max_in_flight = UNTOLD_IN_FLIGHT
        self._sent: dict[int, _Sent] = {}  # by packet identifier
        self._once_or_more = PacketIds(_ONCE_OR_MORE_IDS)
        self._packets = bytearray()

    @property
    def in_flight(self) -> int:
        """How many messages wait for an answer of the broker, or for `release`."""
        return len(self._sent)

    @property
    def oldest(self) -> Outgoing | None:
        """The message that waits longest for its answer; None if none does."""
        first = next(iter(self._sent.values()), None)
        return None if first is None else first.message

    @property
    def has_room(self) -> bool:
        """Whether the broker takes one more; a broker of MQTT 5 ends the connection with who sends more."""
        return len(self._sent) < self._max_in_flight

    def begin(self, *, session_present: bool, max_qos: int = 2, receive_maximum: int = UNTOLD_IN_FLIGHT) -> None:
        """Begin a connection with what the broker says.

        Whether it still has our session, the highest QoS it knows, and how many messages may wait for its answer.
        """
        self._session_present, self._max_qos, self.downgraded = session_present, max_qos, False
        self._max_in_flight = min(receive_maximum, _MAX_IN_FLIGHT)

    def send(self, message: Outgoing) -> None:
        """Send a message, or go on with one that was begun."""
        if message.qos > self._max_qos:
            message = message._replace(qos=1 if self._max_qos else 0)
        if message.qos == 0:
            self._publish(message, 0)
            if message.step is not None:  # nothing will ever confirm it
                self.confirmed.append((message.packet_id, message.step))
            return
        packet_id = self._once_or_more.take(self._sent) if message.qos == 1 else message.packet_id
        released = message.released and self._session_present
        self._sent[packet_id] = _Sent(message._replace(packet_id=packet_id, released=released))
        if released:
            self._release(packet_id)
        else:
            self._publish(message, packet_id)

    def refuse(self, message: Outgoing, reason: int) -> None:
        """Count a message as one that the broker will not have, without sending it."""
        if message.step is not None:
            self.confirmed.append((message.packet_id, message.step))
        self.refused.append((message, reason))

    def release(self, packet_ids: Iterable[int]) -> None:
        """It is committed that the broker has these: it may pass them on, and we shall not send them again."""
        for packet_id in packet_ids:
            sent = self._sent.get(packet_id)
            if sent is not None and sent.received:  # else the connection is another: PUBREC comes once more
                sent.message = sent.message._replace(released=True)
                self._release(packet_id)

    def answered(self, kind: int, packet_id: int, reason: int) -> None:
        """Take PUBACK, PUBREC or PUBCOMP; `reason` is 0 where the broker gives none."""
        sent = self._sent.get(packet_id)
        if sent is None or not self._is_answer(kind, sent):
            return
        step = sent.message.step
        if kind == PUBREC and reason < _FAILURE:
            sent.received = True
            if step is not None:
                self.received.append((packet_id, step))
            return
        del self._sent[packet_id]
        if step is not None:
            self.confirmed.append((packet_id, step))
        if kind != PUBCOMP and reason >= _FAILURE:
            self.refused.append((sent.message, reason))

    def _is_answer(self, kind: int, sent: _Sent) -> bool:
        if kind == PUBACK and sent.message.qos == 2 and not (sent.received or sent.message.released):
            self.downgraded, self._max_qos = True, min(self._max_qos, 1)
            return True
        return (kind == PUBACK) == (sent.message.qos == 1)

    def end(self) -> list[Outgoing]:
        """End a connection: what has to be sent again on the next one, in order."""
        unfinished = [sent.message._replace(begun=True) for sent in self._sent.values()]
        self._sent.clear()
        self._packets.clear()
        return unfinished

    def take_packets(self) -> bytes:
        """Return the packets to send, in order; each is taken once."""
        packets = bytes(self._packets)
        self._packets.clear()
        return packets

    def _publish(self, message: Outgoing, packet_id: int) -> None:
        duplicate = _DUP if message.begun and message.qos == 2 else 0  # QoS 1 goes under another identifier
        topic = message.topic.encode()
        body = len(topic).to_bytes(2, "big") + topic
        if message.qos:
            body += packet_id.to_bytes(2, "big")
        if self._mqtt5:
            body += b"\x00"  # no properties
        length = len(body) + len(message.payload)
        self._packets.append(_PUBLISH | duplicate | message.qos << 1 | (_RETAIN if message.retain else 0))
        self._packets += variable_integer(length) + body + message.payload

    def _release(self, packet_id: int) -> None:
        self._packets += bytes((_PUBREL, 2, packet_id >> 8, packet_id & 0xFF))


def variable_integer(number: int) -> bytes:
    """Encode a length as MQTT does (MQTT 5.0, section 1.5.5)."""
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
