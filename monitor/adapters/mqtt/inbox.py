"""The inbox: messages between the network thread, which puts them, and the pipeline's thread, which takes them.

This file owns what happens when telemetry comes faster than it is scored. The inbox is bounded by messages and by
payload bytes. When it is full, messages that nobody waits for (QoS 0) give way, oldest first, and are counted; messages
that wait for an acknowledgement never do. When only such messages are left, `has_room` says no and the network thread
stops reading, so that the pressure reaches the broker. What waits is held as the batches that came, and cut or joined
when it is taken.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from monitor.core.values.messages import MessageBatch

# What is taken in one go is walked through in one go. Arrays of about this much stay in the processor's caches: with
# ten times as much, a message costs twice as much, or three times if it is large.
TAKE_MESSAGES = 1000
TAKE_BYTES = 1024 * 1024


class _Chunk(NamedTuple):
    """Some of the messages that wait, and the bytes of their payloads."""

    batch: MessageBatch
    nbytes: int


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
        self._waiting: deque[_Chunk] = deque()
        self._messages = 0
        self._bytes = 0
        self._droppable = 0  # how many messages that wait may be dropped
        self._dropped = 0
        self._wanted = 0  # how many messages the taker waits for; 0: it does not
        self._woken = False
        self._taken = -math.inf  # when something was taken last, monotonic
        self._refused_room = False
        self._lock = threading.Lock()
        self._arrived = threading.Condition(self._lock)
        self._on_room: Callable[[], None] | None = None
        self._on_arrival: Callable[[], None] | None = None

    @property
    def messages(self) -> int:
        """How many messages wait."""
        return self._messages

    @property
    def bytes(self) -> int:
        """How many bytes of payload wait."""
        return self._bytes

    @property
    def dropped(self) -> int:
        """How many messages were dropped because the inbox was full."""
        return self._dropped

    def extend(self, batch: MessageBatch) -> None:
        """Add messages; in a full inbox the oldest that may be dropped give way, at worst some of these."""
        if not batch:
            return
        chunk = _Chunk(batch, batch.nbytes)
        with self._lock:
            noticed = self._messages > 0 and self._is_worth_taking(TAKE_MESSAGES)
            empty = not self._messages
            self._waiting.append(chunk)
            self._messages += len(batch)
            self._bytes += chunk.nbytes
            self._droppable += batch.droppable
            self._make_room()
            if self._wanted and self._is_worth_taking(self._wanted):
                self._arrived.notify()
            news = empty or (not noticed and self._is_worth_taking(TAKE_MESSAGES))
        if news and self._on_arrival is not None:
            self._on_arrival()

    def take(self, timeout_seconds: float) -> MessageBatch | None:
        """Messages that wait, oldest first; if none does, wait for the first at most `timeout_seconds`. None: none.

        At most `TAKE_MESSAGES` and, beyond the first message, `TAKE_BYTES`: take again until there is none. Few
        messages that nobody must confirm are given at most once in `linger_seconds`, within the timeout.
        """
        now = time.monotonic()
        with self._lock:
            self._wait(1, timeout_seconds)
            self._wait(TAKE_MESSAGES, min(now + timeout_seconds, self._taken + self._linger_seconds) - time.monotonic())
            self._woken = False
        return self.take_now(TAKE_MESSAGES, TAKE_BYTES)

    def take_now(self, messages: int = TAKE_MESSAGES, nbytes: int = TAKE_BYTES) -> MessageBatch | None:
        """Messages that wait, oldest first, without waiting for any. None: none waits.

        At most so many messages and, beyond the first, so many bytes of payload: the last message is the one that
        reaches `nbytes`.
        """
        with self._lock:
            parts = self._take_some(messages, nbytes)
            if parts:
                self._taken = time.monotonic()
            room_again = self._refused_room and not self._is_full()
            self._refused_room = self._refused_room and not room_again
        if room_again and self._on_room is not None:
            self._on_room()
        return MessageBatch.join(parts) if parts else None

    def seconds_until_worth_taking(self, now_monotonic: float) -> float:
        """How long what waits should still gather: 0 if it is worth taking now, infinity if nothing waits."""
        with self._lock:
            if not self._messages:
                return math.inf
            if self._is_worth_taking(TAKE_MESSAGES):
                return 0.0
            return max(0.0, self._taken + self._linger_seconds - now_monotonic)

    def call_on_arrival(self, callback: Callable[[], None]) -> None:
        """Have `callback` called, from the putting thread, when `seconds_until_worth_taking` has become less.

        That is when the first message waits, and when so much waits that it is worth taking at once.
        """
        self._on_arrival = callback

    def wake(self) -> None:
        """Let `take` return, even with nothing: there is something else to do for who takes."""
        with self._lock:
            self._woken = True
            self._arrived.notify()

    def _wait(self, messages: int, timeout_seconds: float) -> None:
        """Wait until so many messages are worth taking; the lock is held."""
        if timeout_seconds > 0 and not (self._woken or self._is_worth_taking(messages)):
            self._wanted = messages
            self._arrived.wait_for(lambda: self._woken or self._is_worth_taking(messages), timeout_seconds)
            self._wanted = 0

    def _is_worth_taking(self, messages: int) -> bool:
        # who sent what must be confirmed may wait for that before sending more
        must_be_confirmed = self._droppable < self._messages
        return self._messages >= messages or self._bytes >= TAKE_BYTES or must_be_confirmed

    def _take_some(self, messages: int, nbytes: int) -> list[MessageBatch]:
        waiting = self._waiting
        parts: list[MessageBatch] = []
        count, size = 0, 0
        while waiting and count < messages and size < nbytes:
            batch, batch_bytes = waiting.popleft()
            if count + len(batch) > messages or size + batch_bytes > nbytes:
                batch, rest = batch.split(messages - count, nbytes - size)
                if rest is not None:
                    waiting.appendleft(_Chunk(rest, batch_bytes - batch.nbytes))
                    batch_bytes = batch.nbytes
            parts.append(batch)
            count += len(batch)
            size += batch_bytes
            self._droppable -= batch.droppable
        self._messages -= count
        self._bytes -= size
        return parts

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
        return not self._droppable and (self._messages >= self._max_messages or self._bytes >= self._max_bytes)

    def _make_room(self) -> None:
        """Drop what is too much, as far as it may be dropped; the lock is held."""
        kept: list[_Chunk] = []  # at the front: those that have nothing more to drop
        while self._droppable and (self._messages > self._max_messages or self._bytes > self._max_bytes):
            batch, batch_bytes = self._waiting.popleft()
            if batch.droppable:
                too_many, too_much = self._messages - self._max_messages, self._bytes - self._max_bytes
                batch, dropped, dropped_bytes = batch.drop_oldest(too_many, too_much)
                batch_bytes -= dropped_bytes
                self._messages -= dropped
                self._bytes -= dropped_bytes
                self._droppable -= dropped
                self._dropped += dropped
            if batch:
                kept.append(_Chunk(batch, batch_bytes))
        self._waiting.extendleft(reversed(kept))
