"""Which messages of QoS 1 and 2 are in our hands, and what the broker is told about them.

This file owns the receiving side of MQTT's delivery promises (MQTT 5.0, section 4.3; the same in 3.1.1). A message is
answered (PUBACK, or PUBREC for QoS 2) only once it is safe, which may be long after it came and on a later
connection. Until then the broker keeps it, and a process that dies loses nothing. What the broker delivers again
although this process still holds it is not taken in twice; what it delivers again because the answer was lost, with a
connection or with a process, is known by its identifier and content and answered again. Pure state: no socket, clock
or thread.
"""

import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

PUBACK, PUBREC, PUBCOMP = 0x40, 0x50, 0x70  # packet types with their flags; MQTT 5.0, section 2.1.2

Receipt = tuple[int, int, int]  # (session number * 65536 + packet identifier, QoS, checksum of the content)

# What a later process has to know: of each message that is safe, packet identifier and checksum of the content.
_RESUME = np.dtype([("packet_id", "<u2"), ("content", "<u4")])
_pack_row = struct.Struct("<HI").pack


def resume_of(receipts: Sequence[Receipt]) -> bytes:
    """What a later process has to know, once the messages with these receipts are safe."""
    return b"".join([_pack_row(number & 0xFFFF, content) for number, _, content in receipts])


def merge_resumes(resumes: Sequence[bytes]) -> bytes:
    """Several of what `resume_of` gave, in order, as one: of each packet identifier, what it carried last."""
    rows = _rows_of(b"".join(resumes))
    last = np.full(1 << 16, -1)
    last[rows["packet_id"]] = np.arange(len(rows))  # of several assignments to one place numpy keeps the last
    merged: bytes = rows[last[last >= 0]].tobytes()
    return merged


def _rows_of(resume: bytes) -> NDArray[np.void]:
    whole = len(resume) - len(resume) % _RESUME.itemsize  # a part of a row can only be damage
    return np.frombuffer(resume[:whole], _RESUME)


class InboundSession:
    """The inbound half of one client's MQTT session, kept for as long as the process lives.

    A receipt names the session it belongs to: after the broker has forgotten ours, identifiers start anew, and an
    acknowledgement that comes late must not confirm a message it was never meant for. `replies` gathers the packets
    for the broker; who has the socket takes them out with `take_replies`.
    """

    def __init__(self) -> None:
        self._session = 0
        self._in_hand: set[int] = set()
        self._recorded: set[int] = set()  # QoS 2: PUBREC sent, PUBREL not seen yet
        self._safe: dict[int, int] = {}  # what each identifier carried last that is safe: its checksum
        self._replies = bytearray()

    def resume(self, session_present: bool) -> None:
        """Begin a connection: the broker accepted us and says whether it still has our session."""
        self._replies.clear()
        if not session_present:
            self._session += 1
            self._in_hand.clear()
            self._recorded.clear()
            self._safe.clear()

    def remember(self, resume: bytes) -> None:
        """Know what a former process had made safe."""
        rows = _rows_of(resume)
        self._safe.update(zip(rows["packet_id"].tolist(), rows["content"].tolist(), strict=True))

    def arrived(self, packet_id: int, qos: int, duplicate: bool, content: int = 0) -> Receipt | None:
        """Note a message of QoS 1 or 2; None where it was taken in before and must not be again.

        duplicate: whether the broker says that it delivers it again. content: the checksum of topic and payload.
        """
        if duplicate:
            if packet_id in self._in_hand:
                return None
            if packet_id in self._recorded:
                self._reply(PUBREC, packet_id)
                return None
            if self._safe.get(packet_id) == content:
                self._answer(packet_id, qos)
                return None
        self._in_hand.add(packet_id)
        return (self._session << 16 | packet_id, qos, content)

    def acknowledge(self, receipt: Receipt) -> None:
        """Answer for a message that is safe now; nothing where the broker has forgotten it."""
        number, qos, content = receipt
        session, packet_id = number >> 16, number & 0xFFFF
        if session != self._session or packet_id not in self._in_hand:
            return
        self._in_hand.remove(packet_id)
        self._safe[packet_id] = content
        self._answer(packet_id, qos)

    def released(self, packet_id: int) -> None:
        """Answer a PUBREL, also for a message that only a former process knew: else it holds its place for ever.

        What it carried is not forgotten: Mosquitto 2.0.11 may go back to PUBLISH where the connection breaks now.
        """
        self._recorded.discard(packet_id)
        self._reply(PUBCOMP, packet_id)

    def take_replies(self) -> bytes:
        """Return the packets to send, in order; each is taken once."""
        replies = bytes(self._replies)
        self._replies.clear()
        return replies

    def _answer(self, packet_id: int, qos: int) -> None:
        if qos == 2:
            self._recorded.add(packet_id)
        self._reply(PUBACK if qos == 1 else PUBREC, packet_id)

    def _reply(self, kind: int, packet_id: int) -> None:
        self._replies += bytes((kind, 2, packet_id >> 8, packet_id & 0xFF))
