"""Bytes from the broker to messages: the one place where telemetry is cut out of the stream.

This file owns the layout of PUBLISH (MQTT 5.0, section 3.3; 3.1.1 has the same without properties). All packets that
one read brought are taken apart in one loop, because at 100,000 messages a second there is no time for a call per
packet. PUBLISH becomes a row of a `MessageBatch`, PUBREL is answered, and what answers a PUBLISH of ours goes to the
outbound session; every other packet passes through for the MQTT library.
Pure: no socket, no clock. Outcomes: messages; nothing yet; `FrameError` when *they* break the protocol. Any other
exception would be a bug of ours.
"""

from zlib import crc32

from monitor.adapters.mqtt.connack import limit_of_nothing
from monitor.adapters.mqtt.inbound_session import InboundSession
from monitor.adapters.mqtt.outbound_session import PUBACK, PUBCOMP, PUBREC, OutboundSession
from monitor.core.values.messages import ACKNOWLEDGE, MessageBatch, Token, TopicTable

_CONNACK, _PUBLISH, _PUBREL = 0x20, 0x30, 0x60
_ANSWERS = frozenset({PUBACK, PUBREC, PUBCOMP})
_MAX_HEADER_BYTES = 5  # type and remaining length, MQTT 5.0, section 2.1.4
_MAX_TOPIC_BYTES = 65_535
_MAX_PROPERTIES_BYTES = 65_535  # ours, not MQTT's: beyond it a PUBLISH counts as too large
_MAX_KNOWN_TOPICS = 65_536
_MAX_KNOWN_BYTES = 16 * 1024 * 1024  # of topics


class FrameError(Exception):
    """The broker sent what is no MQTT; the connection cannot be used any longer."""


class FrameReader:
    """Cuts one connection's stream into packets.

    A payload longer than `max_payload_bytes` comes out cut to one byte more than that, so that whoever decodes it
    sees that it is too large, and the rest of it is skipped, never held. Memory stays bounded whatever is sent.
    `passed` gathers the packets that are not telemetry, as they came.
    """

    def __init__(self, mqtt5: bool, max_payload_bytes: int, inbound: InboundSession, outbound: OutboundSession) -> None:
        self.passed = bytearray()
        self._mqtt5 = mqtt5
        self._cut_bytes = max_payload_bytes + 1
        # what must be seen of a packet before the rest may be skipped
        self._seen_bytes = _MAX_HEADER_BYTES + _MAX_TOPIC_BYTES + 8 + _MAX_PROPERTIES_BYTES + self._cut_bytes
        self._inbound = inbound
        self._outbound = outbound
        self._partial = bytearray()
        self._wanted_bytes = 0  # how long `partial` must be to be worth another look
        self._skip_bytes = 0
        self._topics = TopicTable()
        self._numbers: dict[bytes, int] = {}  # of topics in the table, by their bytes
        self._known_bytes = 0

    def feed(self, data: bytes, arrival_seconds: float) -> MessageBatch:
        """Take in what was read; the messages that are complete now, in order.

        arrival_seconds: epoch, of all of them. A message of QoS 1 or 2 has what `InboundSession.arrived` gives as its
        token; one that was taken in before becomes no row.

        Raises:
            FrameError: the bytes are no MQTT.

        """
        if len(self._numbers) >= _MAX_KNOWN_TOPICS or self._known_bytes >= _MAX_KNOWN_BYTES:
            # between batches, so that each has one table
            self._topics, self._numbers, self._known_bytes = TopicTable(), {}, 0
        if self._skip_bytes:
            skipped = min(self._skip_bytes, len(data))
            self._skip_bytes -= skipped
            data = data[skipped:]
        if self._partial:
            self._partial += data
            if len(self._partial) < self._wanted_bytes:
                return MessageBatch(self._topics, [], [], [], [], [])
            data = bytes(self._partial)
            self._partial.clear()
        try:
            return self._split(data, arrival_seconds)
        except IndexError:  # a length field points behind the end of its packet
            raise FrameError("a packet is shorter than its fields") from None

    def _split(self, data: bytes, arrival_seconds: float) -> MessageBatch:  # noqa: C901, PLR0912, PLR0915 see below
        # One loop without calls for the usual PUBLISH: a call per message costs as much as all the rest.
        topic: list[int] = []
        payloads: list[bytes] = []
        flags: list[int] = []
        tokens: list[Token] = []
        known, arrived, cut_bytes, mqtt5 = self._numbers.get, self._inbound.arrived, self._cut_bytes, self._mqtt5
        position, end = 0, len(data)
        self._wanted_bytes = 2
        while position + 2 <= end:
            kind = data[position]
            start, length = position + 2, data[position + 1]
            if length > 127:
                if start < end and data[start] < 128:  # of two bytes, as that of most payloads
                    start, length = start + 1, length - 128 | data[start] << 7
                else:
                    start, length = _variable_integer(data, position + 1)
                if start < 0:  # the length itself is not complete
                    self._wanted_bytes = end - position + 1
                    break
            stop = start + length
            if stop > end:
                if not self._may_skip(kind, end - position, stop - position):
                    break
                self._skip_bytes, stop = stop - end, end
            if kind & 0xF0 != _PUBLISH:
                self._pass(kind, data, position, start, stop)
                position = stop
                continue
            body = start + 2 + (data[start] << 8 | data[start + 1])
            raw_topic = data[start + 2 : body]
            flag = kind & 7
            if flag > 1:  # of QoS 1 or 2
                if flag > 5:
                    raise FrameError("a message has QoS 3")
                packet_id = data[body] << 8 | data[body + 1]
                body += 2
            if mqtt5:
                body += 1 + data[body] if data[body] < 128 else _properties_bytes(data, body)
            payload = data[body:stop]
            if body > stop or length > cut_bytes:
                payload = self._cut(data, body, stop)
            position = stop
            if flag > 1:
                token = arrived(packet_id, flag >> 1, kind & 8 == 8, crc32(payload, crc32(raw_topic)))
                if token is None:
                    continue  # taken in before
                tokens.append(token)
                flag |= ACKNOWLEDGE
            number = known(raw_topic)
            topic.append(self._learn(raw_topic) if number is None else number)
            payloads.append(payload)
            flags.append(flag)
        self._partial += data[position:]
        return MessageBatch(self._topics, topic, payloads, [arrival_seconds] * len(topic), flags, tokens)

    def _may_skip(self, kind: int, available_bytes: int, total_bytes: int) -> bool:
        """Whether enough of an incomplete packet is there to take it as too large; else note what to wait for."""
        if kind & 0xF0 == _PUBLISH:
            self._wanted_bytes = min(total_bytes, self._seen_bytes)
            return available_bytes >= self._seen_bytes
        if total_bytes > self._seen_bytes:
            raise FrameError(f"a packet of type {kind >> 4} claims {total_bytes} bytes")
        self._wanted_bytes = total_bytes
        return False

    def _cut(self, data: bytes, body: int, stop: int) -> bytes:
        if body <= stop:
            return data[body : min(stop, body + self._cut_bytes)]
        if self._skip_bytes:  # properties so long that the payload was not reached: too large
            return bytes(self._cut_bytes)
        raise FrameError("a message is shorter than its topic and properties")

    def _pass(self, kind: int, data: bytes, position: int, start: int, stop: int) -> None:
        """Handle a packet that is no telemetry: those of a delivery here, the others through `passed`."""
        type_ = kind & 0xF0
        delivers = type_ == _PUBREL or type_ in _ANSWERS
        if (delivers or type_ == _CONNACK) and stop - start < 2:  # else the next packet's bytes would count as its
            raise FrameError("a packet is shorter than its fields")
        if delivers:
            packet_id = data[start] << 8 | data[start + 1]
            if type_ == _PUBREL:
                self._inbound.released(packet_id)
            else:
                self._outbound.answered(type_, packet_id, data[start + 2] if stop - start > 2 else 0)
            return
        if kind == _CONNACK and data[start + 1] == 0:  # accepted: a refusal says nothing about our session
            nothing = limit_of_nothing(data[start:stop]) if self._mqtt5 else None
            if nothing is not None:
                raise FrameError(f"the broker breaks MQTT 5: it says {nothing} 0, which allows nothing to be sent")
            self._inbound.resume(session_present=bool(data[start] & 1))
        self.passed += data[position:stop]

    def _learn(self, raw_topic: bytes) -> int:
        """Decode a topic once. Ill-formed UTF-8 becomes replacement characters, which no name may contain."""
        self._known_bytes += len(raw_topic)
        number = self._numbers[raw_topic] = self._topics.number_of(raw_topic.decode("utf-8", errors="replace"))
        return number


def _properties_bytes(data: bytes, position: int) -> int:
    """How long the properties at `position` are, with their length."""
    start, length = _variable_integer(data, position)
    if start < 0:
        raise FrameError("a message ends within its properties")
    return start - position + length


def _variable_integer(data: bytes, position: int) -> tuple[int, int]:
    """Read a variable byte integer: the position behind it and its value, or (-1, 0) where it is not complete."""
    value = 0
    for index in range(4):
        if position + index >= len(data):
            return -1, 0
        byte = data[position + index]
        value |= (byte & 127) << 7 * index
        if byte < 128:
            return position + index + 1, value
    raise FrameError("a length has more than four bytes")
