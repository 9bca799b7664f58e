"""The inbox: messages between the network thread, which puts them, and the pipeline's thread, which takes them.

This file owns what happens when telemetry comes faster than it is scored. The inbox is bounded by messages and by
payload bytes. When it is full, messages of QoS 0 give way, oldest first, and are counted; messages that wait for an
acknowledgement never do. When only such messages are left, `has_room` says no and the network thread stops reading,
so that the pressure reaches the broker.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from monitor.core.values.messages import Message

# What is taken in one go is walked through in one go. Arrays of about this much stay in the processor's caches: with
# ten times as much, a message costs twice as much, or three times if it is large.
TAKE_MESSAGES = 1000
TAKE_BYTES = 1024 * 1024


class Inbox:
    """A bounded queue of messages: one thread puts, one takes.

    The bounds may be passed by what one read from the network brings (see `has_room`), never by more.

    linger_seconds: a walk costs a few hundred microseconds however little it brings, and at 20,000 messages a second
    that come one by one, walking as soon as there is one keeps a whole core busy. So there is at most one in this time.
    """

    def __init__(self, max_messages: int, max_bytes: int, linger_seconds: float = 0.0) -> None:
        self._linger_seconds = linger_seconds
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._waiting: deque[Message] = deque()
        self._bytes = 0
        self._droppable = 0  # how many that wait are of QoS 0
        self._dropped = 0
        self._wanted = 0  # how many messages the taker waits for; 0: it does not
        self._woken = False
        self._taken = -math.inf  # when something was taken last, monotonic
        self._refused_room = False
        self._lock = threading.Lock()
        self._arrived = threading.Condition(self._lock)
        self._on_room: Callable[[], None] | None = None

    @property
    def messages(self) -> int:
        """How many messages wait."""
        return len(self._waiting)

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
            self._waiting.append(message)
            self._bytes += len(message.payload)
            self._droppable += message.token is None
            self._settle()

    def extend(self, messages: Sequence[Message]) -> None:
        """Add messages in order, at the price of one lock."""
        size, droppable = 0, 0
        for message in messages:
            size += len(message.payload)
            droppable += message.token is None
        with self._lock:
            self._waiting.extend(messages)
            self._bytes += size
            self._droppable += droppable
            self._settle()

    def take(self, timeout_seconds: float) -> list[Message]:
        """Messages that wait, oldest first; if none does, wait for the first at most `timeout_seconds`. May be empty.

        At most `TAKE_MESSAGES` and, beyond the first message, `TAKE_BYTES`: take again until it is empty. Few messages
        that nobody must confirm are given at most once in `linger_seconds`, within the timeout.
        """
        now = time.monotonic()
        with self._lock:
            self._wait(1, timeout_seconds)
            self._wait(TAKE_MESSAGES, min(now + timeout_seconds, self._taken + self._linger_seconds) - time.monotonic())
            self._woken = False
            taken = self._take_some()
            if taken:
                self._taken = time.monotonic()
            room_again = self._refused_room and not self._is_full()
            self._refused_room = self._refused_room and not room_again
        if room_again and self._on_room is not None:
            self._on_room()
        return taken

    def wake(self) -> None:
        """Let `take` return, even with nothing: there is something else to do for who takes."""
        with self._lock:
            self._woken = True
            self._arrived.notify()

    def _wait(self, messages: int, timeout_seconds: float) -> None:
        """Wait until so many messages are worth taking; the lock is held."""
        if timeout_seconds > 0 and not self._is_worth_taking(messages):
            self._wanted = messages
            self._arrived.wait_for(lambda: self._is_worth_taking(messages), timeout_seconds)
            self._wanted = 0

    def _is_worth_taking(self, messages: int) -> bool:
        # who sent what must be confirmed may wait for that before sending more
        must_be_confirmed = self._droppable < len(self._waiting)
        return self._woken or len(self._waiting) >= messages or self._bytes >= TAKE_BYTES or must_be_confirmed

    def _take_some(self) -> list[Message]:
        waiting = self._waiting
        taken: list[Message] = []
        size = 0
        while waiting and len(taken) < TAKE_MESSAGES and size < TAKE_BYTES:
            message = waiting.popleft()
            taken.append(message)
            size += len(message.payload)
            self._droppable -= message.token is None
        self._bytes -= size
        return taken

    def has_room(self) -> bool:
        """Whether the network thread may read on: the inbox is not full, or what fills it may be dropped."""
        with self._lock:
            self._refused_room = self._is_full()
            return not self._refused_room

    def call_on_room(self, callback: Callable[[], None]) -> None:
        """Have `callback` called, from the taker's thread, once there is room after `has_room` said no."""
        self._on_room = callback

    def _is_full(self) -> bool:
        """Whether there is no room, and nothing that may be dropped."""
        return not self._droppable and (len(self._waiting) >= self._max_messages or self._bytes >= self._max_bytes)

    def _settle(self) -> None:
        """Make room and wake the taker; the lock is held."""
        waiting = self._waiting
        while self._droppable and (len(waiting) > self._max_messages or self._bytes > self._max_bytes):
            if waiting[0].token is not None:
                self._drop_between()
                break
            self._count_drop(waiting.popleft())
        if self._wanted and self._is_worth_taking(self._wanted):
            self._arrived.notify()

    def _drop_between(self) -> None:
        """Drop the oldest of QoS 0 from between others: the rare case, and the only one that costs a pass."""
        kept: deque[Message] = deque()
        excess = len(self._waiting) - self._max_messages
        for message in self._waiting:
            if message.token is None and (excess > 0 or self._bytes > self._max_bytes):
                self._count_drop(message)
                excess -= 1
            else:
                kept.append(message)
        self._waiting = kept

    def _count_drop(self, message: Message) -> None:
        self._bytes -= len(message.payload)
        self._droppable -= 1
        self._dropped += 1
