"""The inbox: messages between the network thread, which puts them, and the pipeline's thread, which takes them.

This file owns what happens when telemetry comes faster than it is scored. The inbox is bounded by messages and by
payload bytes. When it is full, messages of QoS 0 give way, oldest first, and are counted; messages that wait for an
acknowledgement never do. When only such messages are left, `has_room` says no and the network thread stops reading,
so that the pressure reaches the broker.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable

from monitor.core.blocks import Message


class Inbox:
    """A bounded queue of messages: one thread puts, one takes.

    The bounds may be passed by what one read from the network brings (see `has_room`), never by more.
    Order is kept among messages of QoS 0 and among the others; MQTT promises none between the two.
    """

    def __init__(self, max_messages: int, max_bytes: int) -> None:
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._kept: deque[Message] = deque()  # must be acknowledged: never dropped
        self._droppable: deque[Message] = deque()  # QoS 0
        self._bytes = 0
        self._dropped = 0
        self._taker_waits = False
        self._refused_room = False
        self._lock = threading.Lock()
        self._arrived = threading.Condition(self._lock)
        self._on_room: Callable[[], None] | None = None

    @property
    def messages(self) -> int:
        """How many messages wait."""
        return len(self._kept) + len(self._droppable)

    @property
    def bytes(self) -> int:
        """How many bytes of payload wait."""
        return self._bytes

    @property
    def dropped(self) -> int:
        """How many messages of QoS 0 were dropped because the inbox was full."""
        return self._dropped

    def put(self, message: Message) -> None:
        """Add one message; in a full inbox the oldest of QoS 0 give way, at worst this one."""
        with self._lock:
            (self._droppable if message.receipt is None else self._kept).append(message)
            self._bytes += len(message.payload)
            self._settle()

    def extend(self, messages: Iterable[Message]) -> None:
        """Add messages in order, at the price of one lock."""
        kept, droppable = self._kept, self._droppable
        with self._lock:
            size = 0
            for message in messages:
                size += len(message.payload)
                (droppable if message.receipt is None else kept).append(message)
            self._bytes += size
            self._settle()

    def take(self, timeout_seconds: float) -> list[Message]:
        """Everything that waits; if nothing does, wait for the first at most `timeout_seconds`. May be empty."""
        with self._arrived:
            if not self.messages:
                self._taker_waits = True
                self._arrived.wait_for(lambda: self.messages > 0, timeout_seconds)
                self._taker_waits = False
            taken = [*self._kept, *self._droppable]
            self._kept.clear()
            self._droppable.clear()
            self._bytes = 0
            room_again, self._refused_room = self._refused_room, False
        if room_again and self._on_room is not None:
            self._on_room()
        return taken

    def has_room(self) -> bool:
        """Whether the network thread may read on: the inbox is not full, or what fills it may be dropped."""
        with self._lock:
            room = bool(self._droppable) or (len(self._kept) < self._max_messages and self._bytes < self._max_bytes)
            self._refused_room = not room
        return room

    def call_on_room(self, callback: Callable[[], None]) -> None:
        """Have `callback` called, from the taker's thread, once there is room after `has_room` said no."""
        self._on_room = callback

    def _settle(self) -> None:
        """Make room and wake the taker; the lock is held."""
        droppable = self._droppable
        while droppable and (len(self._kept) + len(droppable) > self._max_messages or self._bytes > self._max_bytes):
            self._bytes -= len(droppable.popleft().payload)
            self._dropped += 1
        if self._taker_waits:
            self._arrived.notify()
