"""Messages to MQTT packets, all of them before the clock starts. Pure.

The layout is that of MQTT 3.1.1 and 5.0, section 3.3 (PUBLISH), 3.1 (CONNECT) and 3.8 (SUBSCRIBE).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.workloads import Messages

CHUNK_BYTES = 64 * 1024
MAX_PACKET_ID = 65_535

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ, PINGRESP, DISCONNECT = (
    0x10, 0x20, 0x30, 0x40, 0x80, 0x90, 0xC0, 0xD0, 0xE0
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Packets:
    """PUBLISH packets, one behind the other.

    ends: int64 [N], where each packet ends in `data`. due_seconds: float64 [N], as in `Messages`.
    """

    data: bytes
    ends: NDArray[np.int64]
    due_seconds: NDArray[np.float64]

    def __len__(self) -> int:
        """How many packets."""
        return len(self.ends)

    def chunks(self, start: int = 0, stop: int | None = None) -> list[memoryview]:
        """The packets [start, stop), cut behind a packet every `CHUNK_BYTES` or so."""
        view = memoryview(self.data)
        ends = self.ends[start:stop]
        if not len(ends):
            return []
        first = int(self.ends[start - 1]) if start else 0
        marks = np.arange(first + CHUNK_BYTES, int(ends[-1]), CHUNK_BYTES)
        cuts = [first, *np.unique(ends[np.searchsorted(ends, marks)]).tolist()]
        if cuts[-1] != ends[-1]:
            cuts.append(int(ends[-1]))
        return [view[left:right] for left, right in pairwise(cuts)]


def publish_packets(messages: Messages, qos: Literal[0, 1], *, mqtt5: bool) -> Packets:
    """Lay out messages as PUBLISH packets. Identifiers (QoS 1) run from 1 to 65,535 and start over."""
    kind, properties = bytes([PUBLISH | qos << 1]), b"\0" if mqtt5 else b""
    headers = {topic: _text(topic) for topic in set(messages.topics)}
    frames: list[bytes] = []
    lengths: list[int] = []
    for number, (topic, payload) in enumerate(zip(messages.topics, messages.payloads, strict=True)):
        packet_id = (number % MAX_PACKET_ID + 1).to_bytes(2, "big") if qos else b""
        header = headers[topic] + packet_id + properties
        size = _variable_integer(len(header) + len(payload))
        frames += (kind, size, header, payload)
        lengths.append(1 + len(size) + len(header) + len(payload))
    return Packets(b"".join(frames), np.cumsum(lengths, dtype=np.int64), messages.due_seconds)


def publish_head(topic: bytes, payload_bytes: int, identifier: int | None = None) -> bytes:
    """What comes before a payload in a PUBLISH packet of MQTT 3.1.1: at QoS 1 with an identifier, else at QoS 0."""
    header = _text(topic) + (b"" if identifier is None else identifier.to_bytes(2, "big"))
    kind = PUBLISH if identifier is None else PUBLISH | 2
    return bytes([kind]) + _variable_integer(len(header) + payload_bytes) + header


def connect_packet(client_id: str, keepalive_seconds: int = 600) -> bytes:
    """CONNECT of MQTT 3.1.1 with a clean session."""
    return _packet(CONNECT, _text(b"MQTT") + b"\4\2" + keepalive_seconds.to_bytes(2, "big") + _text(client_id.encode()))


def subscribe_packet(filters: Sequence[str], qos: Literal[0, 1]) -> bytes:
    """SUBSCRIBE of MQTT 3.1.1."""
    return _packet(SUBSCRIBE | 2, b"\0\1" + b"".join(_text(each.encode()) + bytes([qos]) for each in filters))


def split(buffer: bytearray) -> list[tuple[int, bytes]]:
    """Take the whole packets out of `buffer`: first byte and body of each."""
    found = []
    position = 0
    while True:
        length, shift, at = 0, 0, position + 1
        while at < len(buffer) and buffer[at] > 127:
            length |= (buffer[at] & 127) << shift
            shift, at = shift + 7, at + 1
        if at >= len(buffer):
            break
        length |= buffer[at] << shift
        stop = at + 1 + length
        if stop > len(buffer):
            break
        found.append((buffer[position], bytes(buffer[at + 1 : stop])))
        position = stop
    del buffer[:position]
    return found


def _packet(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + _variable_integer(len(body)) + body


def _text(text: bytes) -> bytes:
    return len(text).to_bytes(2, "big") + text


def _variable_integer(value: int) -> bytes:
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
