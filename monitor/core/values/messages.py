"""Messages on their way to the decoders: one as `Message`, many in columns as `MessageBatch`.

A batch holds what one read of a source brought. Its rows are sliced, joined and dropped without an object per row.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

Token = Any  # what a source needs to acknowledge a message; opaque to all others

RETAINED, ACKNOWLEDGE = 1, 8  # flags of a row; the two bits between them hold the QoS
_QOS_SHIFT, _QOS = 1, 3


class Message(NamedTuple):
    """One message as it came.

    arrival_seconds: epoch. token: given where the source waits for an acknowledgement. qos: what it came with, for
    captures; 0 where the source has no QoS.
    """

    topic: str
    payload: bytes
    arrival_seconds: float
    token: Token | None = None
    retained: bool = False
    qos: int = 0


class TopicTable:
    """Topics by number, for the batches of one source in one process. Numbers are never reused.

    Only the source's thread adds topics; any thread may look them up. A source that has met too many starts another
    table: batches keep the one they were made with.
    """

    __slots__ = ("_numbers", "texts")

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._numbers: dict[str, int] = {}

    def __len__(self) -> int:
        """How many topics."""
        return len(self.texts)

    def number_of(self, text: str) -> int:
        """The number of a topic; a new one where the topic is new."""
        number = self._numbers.get(text)
        if number is None:
            number = len(self.texts)
            self.texts.append(text)
            self._numbers[text] = number
        return number


@dataclass(frozen=True, slots=True)
class MessageBatch:
    """M messages in the order in which they came, in columns. Nobody changes the columns of a batch.

    topics: the table that `topic [M]` counts in. payload [M]: each with memory of its own, so that a short one that is
    kept does not keep the read that it came with. arrival_seconds [M]: epoch. flags [M]: RETAINED, QoS, ACKNOWLEDGE.
    tokens: those of the rows with ACKNOWLEDGE, in order.
    """

    topics: TopicTable
    topic: list[int]
    payload: list[bytes]
    arrival_seconds: list[float]
    flags: list[int]
    tokens: list[Token]

    def __len__(self) -> int:
        """How many messages."""
        return len(self.topic)

    @property
    def nbytes(self) -> int:
        """Bytes of all payloads."""
        return sum(map(len, self.payload))

    @property
    def droppable(self) -> int:
        """How many messages nobody waits for."""
        return len(self.topic) - len(self.tokens)

    @staticmethod
    def of(messages: Iterable[Message], topics: TopicTable | None = None) -> "MessageBatch":
        """Put rows into columns. topics: the table to number topics in; None: a new one."""
        table = TopicTable() if topics is None else topics
        rows = list(messages)
        return MessageBatch(
            table,
            [table.number_of(row.topic) for row in rows],
            [row.payload for row in rows],
            [row.arrival_seconds for row in rows],
            [row.retained | row.qos << _QOS_SHIFT | (0 if row.token is None else ACKNOWLEDGE) for row in rows],
            [row.token for row in rows if row.token is not None],
        )

    @staticmethod
    def join(batches: Sequence["MessageBatch"]) -> "MessageBatch":
        """One batch of several (at least one), in order; topics are numbered anew where tables differ."""
        first = batches[0]
        if len(batches) == 1:
            return first
        if any(batch.topics is not first.topics for batch in batches):
            return MessageBatch.of(row for batch in batches for row in batch.rows())
        joined = MessageBatch(first.topics, [], [], [], [], [])
        for batch in batches:
            joined.topic.extend(batch.topic)
            joined.payload.extend(batch.payload)
            joined.arrival_seconds.extend(batch.arrival_seconds)
            joined.flags.extend(batch.flags)
            joined.tokens.extend(batch.tokens)
        return joined

    def rows(self) -> Iterator[Message]:
        """Each message as a row."""
        tokens, texts = iter(self.tokens), self.topics.texts
        for number, payload, arrival_seconds, flags in zip(
            self.topic, self.payload, self.arrival_seconds, self.flags, strict=True
        ):
            token = next(tokens) if flags & ACKNOWLEDGE else None
            qos = flags >> _QOS_SHIFT & _QOS
            yield Message(texts[number], payload, arrival_seconds, token, bool(flags & RETAINED), qos)

    def row(self, index: int) -> Message:
        """The message at one index."""
        (message,) = self.slice(index, index + 1).rows()
        return message

    def slice(self, start: int, stop: int) -> "MessageBatch":
        """The messages from `start` (at least 0) to before `stop`, with their tokens."""
        if start == 0 and stop >= len(self.topic):
            return self
        return MessageBatch(
            self.topics,
            self.topic[start:stop],
            self.payload[start:stop],
            self.arrival_seconds[start:stop],
            self.flags[start:stop],
            self.tokens[self._tokens_before(start) : self._tokens_before(stop)],
        )

    def select(self, rows: Sequence[int]) -> "MessageBatch":
        """The messages at these indices, ascending; without tokens, since it is whole batches that are acknowledged."""
        return MessageBatch(
            self.topics,
            [self.topic[row] for row in rows],
            [self.payload[row] for row in rows],
            [self.arrival_seconds[row] for row in rows],
            [self.flags[row] & ~ACKNOWLEDGE for row in rows],
            [],
        )

    def pick(self, rows: Sequence[int]) -> "MessageBatch":
        """The messages at these indices, ascending, with their tokens."""
        if not self.tokens:
            return self.select(rows)
        places, at = [], 0  # of each row: where its token stands, if it has one
        for flags in self.flags:
            places.append(at)
            at += flags >= ACKNOWLEDGE
        return MessageBatch(
            self.topics,
            [self.topic[row] for row in rows],
            [self.payload[row] for row in rows],
            [self.arrival_seconds[row] for row in rows],
            [self.flags[row] for row in rows],
            [self.tokens[places[row]] for row in rows if self.flags[row] >= ACKNOWLEDGE],
        )

    def waiting(self) -> "MessageBatch":
        """The messages that somebody waits for: what a journal has to keep. Tokens stay."""
        if not self.droppable:
            return self
        return self._keep([row for row, flags in enumerate(self.flags) if flags >= ACKNOWLEDGE])

    def split(self, max_messages: int, max_bytes: int) -> tuple["MessageBatch", "MessageBatch | None"]:
        """At most so many messages from the front, and the rest (None: there is none).

        The first part ends with the message that reaches `max_bytes`, so it has at least one.
        """
        count, size = 0, 0
        for payload in self.payload[:max_messages]:
            count += 1
            size += len(payload)
            if size >= max_bytes:
                break
        if count >= len(self.topic):
            return self, None
        return self.slice(0, count), self.slice(count, len(self.topic))

    def _keep(self, rows: list[int]) -> "MessageBatch":
        """The messages at these indices, ascending, among which are all that have a token."""
        return MessageBatch(
            self.topics,
            [self.topic[row] for row in rows],
            [self.payload[row] for row in rows],
            [self.arrival_seconds[row] for row in rows],
            [self.flags[row] for row in rows],
            self.tokens,
        )

    def _tokens_before(self, row: int) -> int:
        if not self.droppable:
            return row
        return sum(flags >= ACKNOWLEDGE for flags in self.flags[:row]) if self.tokens else 0
