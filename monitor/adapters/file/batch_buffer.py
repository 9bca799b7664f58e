"""Batches between the thread that reads and the engine's thread: bounded, and who reads waits while it is full."""

import threading
from collections import deque

from monitor.core.ports import TakeLimits
from monitor.core.values.messages import MessageBatch


class BatchBuffer:
    """A bounded queue of messages: one thread puts batches, another takes.

    max_messages, max_bytes: once so many messages or bytes of payload wait, `put` waits; a batch is put whole, so the
    bounds are passed by one batch at most.
    """

    def __init__(self, max_messages: int, max_bytes: int) -> None:
        self._max_messages, self._max_bytes = max_messages, max_bytes
        self._waiting: deque[MessageBatch] = deque()
        self._messages = self._bytes = 0
        self._closed = False
        self._room = threading.Condition()

    @property
    def messages(self) -> int:
        """How many messages wait."""
        return self._messages

    @property
    def nbytes(self) -> int:
        """How many bytes of payload wait."""
        return self._bytes

    def put(self, batch: MessageBatch) -> bool:
        """Wait for room, then add a batch of at least one message. False, and not added, once it was closed."""
        with self._room:
            self._room.wait_for(lambda: self._closed or not self._is_full())
            if self._closed:
                return False
            self._waiting.append(batch)
            self._messages += len(batch)
            self._bytes += batch.nbytes
            return True

    def take(self, limits: TakeLimits) -> MessageBatch | None:
        """The oldest messages, no more than `limits`; None if none waits. Never waits."""
        taken: list[MessageBatch] = []
        messages = nbytes = 0
        with self._room:
            while self._waiting and messages < limits.messages and nbytes < limits.nbytes:
                batch = self._waiting.popleft()
                head, rest = batch.split(limits.messages - messages, limits.nbytes - nbytes)
                if rest is not None:
                    self._waiting.appendleft(rest)
                taken.append(head)
                messages += len(head)
                nbytes += head.nbytes
            self._messages -= messages
            self._bytes -= nbytes
            if taken and not self._is_full():
                self._room.notify()
        return MessageBatch.join(taken) if taken else None

    def clear(self) -> int:
        """Let go of all that waits. Returns how many messages."""
        with self._room:
            messages = self._messages
            self._waiting.clear()
            self._messages = self._bytes = 0
            return messages

    def close(self) -> None:
        """Add nothing more; who waits in `put` goes on. What waits can still be taken."""
        with self._room:
            self._closed = True
            self._room.notify_all()

    def _is_full(self) -> bool:
        return self._messages >= self._max_messages or self._bytes >= self._max_bytes
