"""The send queue: what is to be published, until the broker has it.

This file owns what happens while the broker is away. The send queue is bounded; what does not fit is refused and
counted. A retained message replaces the one that waits for the same topic, because only the last one would be kept
anyway: so states cannot crowd out alerts however long the broker is away.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import Literal, NamedTuple

from monitor.core.ports import StepKey


class Outgoing(NamedTuple):
    """One message to publish.

    step: the step of an alert that it delivers; None where it tells a state. packet_id: the identifier that a message
    of QoS 2 has for its whole life. begun: it may have been sent before. released: the broker had it, and this is
    committed: all it still needs is a PUBREL. since: monotonic seconds, from when on it waits.
    """

    topic: str
    payload: bytes
    qos: Literal[0, 1, 2]
    retain: bool
    step: StepKey | None = None
    packet_id: int = 0
    begun: bool = False
    released: bool = False
    since: float = 0.0


class SendQueue:
    """A bounded queue of messages to publish; any thread may put, the network thread takes."""

    def __init__(self, max_messages: int) -> None:
        self._max_messages = max_messages
        self._waiting: OrderedDict[str | int, Outgoing] = OrderedDict()  # by topic if retained, else by number
        self._number = 0
        self._dropped = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def oldest(self) -> Outgoing | None:
        """The message that is taken next; None if none waits."""
        with self._lock:
            return next(iter(self._waiting.values()), None)

    @property
    def dropped(self) -> int:
        """How many messages were refused because the queue was full."""
        return self._dropped

    def put(self, message: Outgoing) -> bool:
        """Add a message; False if there is no room for it."""
        with self._lock:
            key: str | int = message.topic
            if not message.retain:
                self._number += 1
                key = self._number
            if len(self._waiting) >= self._max_messages and key not in self._waiting:
                self._dropped += 1
                return False
            self._waiting[key] = message
            return True

    def take(self) -> Outgoing | None:
        """Take the message that waits longest; None if none does."""
        with self._lock:
            return self._waiting.popitem(last=False)[1] if self._waiting else None

    def put_back(self, messages: Iterable[Outgoing]) -> None:
        """Put messages back to the front, in order: the broker has not confirmed them."""
        with self._lock:
            for message in reversed(tuple(messages)):
                key: str | int = message.topic
                if not message.retain:
                    self._number += 1
                    key = self._number
                elif key in self._waiting:
                    continue  # a newer one waits
                self._waiting[key] = message
                self._waiting.move_to_end(key, last=False)
