"""How far deliveries are, in the bytes that the outbox keeps: packet identifier, and whether the broker has it."""

import struct
from collections.abc import Iterable

from monitor.adapters.mqtt.outbound_session import EXACTLY_ONCE_IDS, Answer, PacketIds
from monitor.core.ports import Delivery, Progress, StepKey

_PROGRESS = struct.Struct(">HB")  # packet identifier, and 1 once the broker has received the message


class DeliveryProgress:
    """The deliveries under way, by step: each keeps one packet identifier for its whole life, over processes."""

    def __init__(self) -> None:
        self._ids = PacketIds(EXACTLY_ONCE_IDS)
        self._packet_id: dict[StepKey, int] = {}
        self._in_use: set[int] = set()
        self._received: dict[StepKey, int] = {}  # and not committed yet

    def begin(self, key: StepKey) -> bytes:
        """Choose a packet identifier; the progress of a delivery that was not sent yet."""
        packet_id = self._ids.take(self._in_use)
        self._note(key, packet_id)
        return _PROGRESS.pack(packet_id, 0)

    def take_up(self, delivery: Delivery) -> tuple[int, bool]:
        """The packet identifier of a delivery, and whether all that it still needs is to be released."""
        if len(delivery.progress) != _PROGRESS.size:  # damaged: a fresh identifier is the best that can be done
            delivery = delivery.at(self.begin(delivery.key))
        packet_id, received = _PROGRESS.unpack(delivery.progress)
        self._note(delivery.key, packet_id)
        return packet_id, bool(received)

    def progress(self, received: Iterable[Answer], confirmed: Iterable[Answer]) -> list[Progress]:
        """What is to be committed of these answers of the broker."""
        steps = []
        for packet_id, key in received:
            self._received[key] = packet_id
            steps.append(Progress(key, _PROGRESS.pack(packet_id, 1), done=False))
        for _, key in confirmed:
            self.forget(key)
            steps.append(Progress(key, b"", done=True))
        return steps

    def released(self, keys: Iterable[StepKey]) -> list[int]:
        """The packet identifiers of those of the deliveries that the broker may pass on now."""
        return [self._received.pop(key) for key in keys if key in self._received]

    def forget(self, key: StepKey) -> None:
        """Give a packet identifier back: the delivery is done, or nobody delivers it any more."""
        self._in_use.discard(self._packet_id.pop(key, -1))

    def _note(self, key: StepKey, packet_id: int) -> None:
        self._packet_id[key] = packet_id
        self._in_use.add(packet_id)
