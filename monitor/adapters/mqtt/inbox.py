"""The inbox: messages between the network thread, which puts them, and the pipeline's thread, which takes them.

This file owns what happens when telemetry comes faster than it is scored. As long as one take brings all that waits,
messages are taken as they came, and nobody looks at their topics. Beyond that they are taken by fair shares
(`fair_queue`). The inbox is bounded by messages and by payload bytes. When it is full, messages that nobody waits for
(QoS 0) give way while they hold more than half of the bound: the loudest share drops its oldest, which are counted and
named. Messages that wait for an acknowledgement are never dropped: once they fill the rest, `has_room` is false, the
network thread stops reading, and the pressure reaches the broker.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import structlog

from monitor.adapters.mqtt.fair_queue import FairQueue
from monitor.adapters.mqtt.line import Run
from monitor.adapters.mqtt.shares import COMMON_NAME, Shares
from monitor.core.ports import TAKE_LIMITS, TakeLimits, Wake
from monitor.core.sources.shares import ShareOf
from monitor.core.values.messages import MessageBatch

log = structlog.get_logger()

# Room is made for so much of the inbox at a time: finding what to drop passes through all that waits.
_DROPPED_AT_ONCE = 1 / 64
# Messages and bytes that are sorted together. What is taken of them is held until all are.
_MOST_TOGETHER, _MOST_BYTES_TOGETHER = 4096, TAKE_LIMITS.nbytes
_MOST_NAMES = 100  # of shares whose drops are counted apart


class _Chunk(NamedTuple):
    """Some of the messages that wait, and the bytes of their payloads."""

    batch: MessageBatch
    nbytes: int


class Inbox:
    """A bounded queue of messages: one thread puts, one takes.

    The bounds may be passed by what one read from the network brings (see `has_room`), never by more. share_of: names
    the share of a topic; None: there is only one, so that messages are taken as they came.
    """

    def __init__(self, max_messages: int, max_bytes: int, share_of: ShareOf | None = None) -> None:
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._arrived: deque[_Chunk] = deque()
        self._fair = FairQueue()  # what waits before `arrived`, while that is more than a take brings
        self._shares = Shares(share_of)
        self._messages = 0
        self._bytes = 0
        self._droppable = 0  # how many messages that wait may be dropped
        self._droppable_bytes = 0
        self._dropped = 0
        self._dropped_by_share: Counter[str] = Counter()
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
        """How many messages were dropped because the inbox was full, or because they waited at the end."""
        return self._dropped

    @property
    def dropped_by_share(self) -> dict[str, int]:
        """How many of them by share, as far as they were dropped because it was too loud: 100 shares and `other`."""
        return dict(self._dropped_by_share)

    def extend(self, batch: MessageBatch) -> None:
        """Add messages. In a full inbox the oldest of the loudest share give way, at worst some of these."""
        if not batch:
            return
        chunk = _Chunk(batch, batch.nbytes)
        with self._lock:
            empty, was_urgent = not self._messages, self._is_urgent()
            self._arrived.append(chunk)
            self._messages += len(batch)
            self._bytes += chunk.nbytes
            self._droppable += batch.droppable
            self._droppable_bytes += _droppable_bytes(chunk)
            if self._messages > self._max_messages or self._bytes > self._max_bytes:
                self._make_room()
            urgent = self._is_urgent()
        if self._wake is not None and (empty or (urgent and not was_urgent)):
            self._wake(urgent=urgent)

    def take(self, limits: TakeLimits) -> MessageBatch | None:
        """Messages that wait, each share's oldest first; None if none does.

        At most so many messages and, beyond the first, so many bytes of payload: the last message is the one that
        reaches them. Those that must be acknowledged come in the order of their arrival.
        """
        with self._lock:
            parts = self._take_some(limits)
            room_again = self._refused_room and not self._is_full()
            self._refused_room = self._refused_room and not room_again
        if room_again and self._on_room is not None:
            self._on_room()
        return MessageBatch.join(parts) if parts else None

    def clear(self) -> None:
        """Let go of all that waits; what nobody waits for is counted as dropped."""
        with self._lock:
            self._dropped += self._droppable
            self._arrived.clear()
            self._fair = FairQueue()
            self._messages = self._bytes = self._droppable = self._droppable_bytes = 0

    def share_by(self, share_of: ShareOf) -> None:
        """Name shares in another way from now on; for the thread that takes. What waits keeps the order it has."""
        with self._lock:
            waiting = self._fair.take(TakeLimits(self._messages, self._bytes + 1)) if len(self._fair) else []
            self._arrived.extendleft(_Chunk(run.batch, run.nbytes) for run in reversed(waiting))
            self._fair, self._shares = FairQueue(), Shares(share_of)

    def call_on_arrival(self, wake: Wake) -> None:
        """Have `wake` called, from the putting thread, when the first message waits, and when it becomes urgent.

        It is urgent once there is as much as one take brings, or a message that must be acknowledged: who sent that may
        wait for it before sending more.
        """
        self._wake = wake

    def has_room(self) -> bool:
        """Whether the network thread may read on: the inbox is not full, or what fills it may be dropped."""
        with self._lock:
            self._refused_room = self._is_full()
            return not self._refused_room

    def call_on_room(self, callback: Callable[[], None]) -> None:
        """Have `callback` called, from the taker's thread, once there is room after `has_room` said no."""
        self._on_room = callback

    def _is_urgent(self) -> bool:
        enough = self._messages >= TAKE_LIMITS.messages or self._bytes >= TAKE_LIMITS.nbytes
        return enough or self._droppable < self._messages

    def _take_some(self, limits: TakeLimits) -> list[MessageBatch]:
        if not len(self._fair):
            if self._messages <= limits.messages and self._bytes < limits.nbytes:
                parts = [chunk.batch for chunk in self._arrived]
                self._arrived.clear()
                self._messages = self._bytes = self._droppable = self._droppable_bytes = 0
                return parts
            self._shares.forget_if_many()
        self._sort()
        runs = self._fair.take(limits)
        for batch, _, nbytes in runs:
            self._messages -= len(batch)
            self._bytes -= nbytes
            self._droppable -= batch.droppable
            self._droppable_bytes -= _droppable_bytes(_Chunk(batch, nbytes))
        return [run.batch for run in runs]

    def _sort(self) -> None:
        """Let what arrived stand in the fair queue."""
        arrived = self._arrived
        while arrived:
            first = arrived.popleft()
            together, count, nbytes = [first.batch], len(first.batch), first.nbytes
            while (
                arrived
                and count < _MOST_TOGETHER
                and nbytes < _MOST_BYTES_TOGETHER
                and arrived[0].batch.topics is first.batch.topics
            ):
                batch, size = arrived.popleft()
                together.append(batch)
                count, nbytes = count + len(batch), nbytes + size
            joined = MessageBatch.join(together)
            self._fair.add(Run(joined, self._shares.of(joined), nbytes), len(self._shares))

    def _is_full(self) -> bool:
        """Whether there is no room, and what may be dropped holds half of it at most."""
        if self._messages >= self._max_messages and self._droppable <= self._max_messages // 2:
            return True
        return self._bytes >= self._max_bytes and self._droppable_bytes <= self._max_bytes // 2

    def _make_room(self) -> None:
        """Drop what is too much, as long as what may be dropped holds more than half of the room; the lock is held.

        So an inbox that is not full holds its bound at most, and may be passed by what one read brings and no more.
        """
        self._sort()
        too_many, too_much = self._messages - self._max_messages, self._bytes - self._max_bytes
        if too_many > 0:
            spare = int(self._max_messages * _DROPPED_AT_ONCE)
            self._drop(min(too_many + spare, self._droppable - self._max_messages // 2), by_bytes=False)
        if too_much > 0:
            spare = int(self._max_bytes * _DROPPED_AT_ONCE)
            self._drop(min(too_much + spare, self._droppable_bytes - self._max_bytes // 2), by_bytes=True)

    def _drop(self, most: int, *, by_bytes: bool) -> None:
        if most <= 0:
            return
        dropped = self._fair.drop(most, by_bytes=by_bytes)
        gone = int(dropped.messages.sum())
        self._messages -= gone
        self._bytes -= dropped.nbytes
        self._droppable -= gone
        self._droppable_bytes -= dropped.nbytes
        self._dropped += gone
        counted = self._dropped_by_share
        for share in np.flatnonzero(dropped.messages).tolist():
            name = self._shares.names[share]
            counted[name if name in counted or len(counted) < _MOST_NAMES else COMMON_NAME] += int(
                dropped.messages[share]
            )
        loudest = int(dropped.messages.argmax())
        log.warning(
            "the inbox is full: what is loudest loses its oldest messages",
            loudest=self._shares.names[loudest],  # not `stream`: by that, lines are told apart, and topics are endless
            dropped=int(dropped.messages[loudest]),
            dropped_in_all=gone,
            waiting=self._messages,
            hint="more comes at QoS 0 than is scored; residuald_inbox_dropped_by_share_total counts by stream",
        )


def _droppable_bytes(chunk: _Chunk) -> int:
    """How many bytes belong to messages that nobody waits for."""
    batch = chunk.batch
    if not batch.tokens:
        return chunk.nbytes
    if not batch.droppable:
        return 0
    return chunk.nbytes - sum(map(len, batch.waiting().payload))
