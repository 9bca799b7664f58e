"""The inbox: messages between the network thread, which puts them, and the pipeline's thread, which takes them.

This file owns what happens when telemetry comes faster than it is scored. The inbox is bounded by messages and by
payload bytes. When it is full, messages that nobody waits for (QoS 0) give way, oldest first, and are counted; messages
that wait for an acknowledgement never do. When only such messages are left, `has_room` says no and the network thread
stops reading, so that the pressure reaches the broker. What waits is held as the batches that came, and cut or joined
when it is taken.
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from monitor.core.ports import TAKE_LIMITS, TakeLimits, Wake
from monitor.core.values.messages import MessageBatch


class _Chunk(NamedTuple):
    """Some of the messages that wait, and the bytes of their payloads."""

    batch: MessageBatch
    nbytes: int


class Inbox:
    """A bounded queue of messages: one thread puts, one takes.

    The bounds may be passed by what one read from the network brings (see `has_room`), never by more.
    """

    def __init__(self, max_messages: int, max_bytes: int) -> None:
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._waiting: deque[_Chunk] = deque()
        self._messages = 0
        self._bytes = 0
        self._droppable = 0  # how many messages that wait may be dropped
        self._dropped = 0
        self._refused_room = False
        self._lock = threading.Lock()
        self._on_room: Callable[[], None] | None = None
        self._wake: Wake | None = None

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
            empty, was_urgent = not self._messages, self._is_urgent()
            self._waiting.append(chunk)
            self._messages += len(batch)
            self._bytes += chunk.nbytes
            self._droppable += batch.droppable
            self._make_room()
            urgent = self._is_urgent()
        if self._wake is not None and (empty or (urgent and not was_urgent)):
            self._wake(urgent=urgent)

    def take(self, limits: TakeLimits) -> MessageBatch | None:
        """Messages that wait, oldest first; None if none does.

        At most so many messages and, beyond the first, so many bytes of payload: the last message is the one that
        reaches them.
        """
        with self._lock:
            parts = self._take_some(limits.messages, limits.nbytes)
            room_again = self._refused_room and not self._is_full()
            self._refused_room = self._refused_room and not room_again
        if room_again and self._on_room is not None:
            self._on_room()
        return MessageBatch.join(parts) if parts else None

    def call_on_arrival(self, wake: Wake) -> None:
        """Have `wake` called, from the putting thread, when the first message waits, and when it becomes urgent.

        It is urgent once there is as much as one take brings, or a message that must be acknowledged: who sent that may
        wait for it before sending more.
        """
        self._wake = wake

    def _is_urgent(self) -> bool:
        enough = self._messages >= TAKE_LIMITS.messages or self._bytes >= TAKE_LIMITS.nbytes
        return enough or self._droppable < self._messages

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
