"""The shares of the messages that wait, by number: topics are looked up once, and their number is bounded."""

import numpy as np
from numpy.typing import NDArray

from monitor.core.sources.shares import ShareOf
from monitor.core.values.messages import MessageBatch, TopicTable

Ints = NDArray[np.int64]

# Topics can be invented without end. Those beyond so many shares have one in common: who invents them gains nothing.
MAX_SHARES = 16_384
_COMMON = 0
_UNKNOWN = -1
COMMON_NAME = "other"


class Shares:
    """Numbers for shares, from 1 up; 0 is the common one of all that have none of their own.

    share_of: names the share of a topic; None: all belong to the common one.
    """

    def __init__(self, share_of: ShareOf | None) -> None:
        self._share_of = share_of
        self.names = [COMMON_NAME]
        self._numbers: dict[str, int] = {}
        self._topics: TopicTable | None = None
        self._by_topic = np.zeros(0, np.int64)  # of the table above: the share of each topic

    def __len__(self) -> int:
        """How many there are."""
        return len(self.names)

    def of(self, batch: MessageBatch) -> Ints:
        """The share of each message: int64 [M]."""
        if self._share_of is None:
            return np.zeros(len(batch), np.int64)
        if batch.topics is not self._topics:
            self._topics, self._by_topic = batch.topics, np.zeros(0, np.int64)
        topic = np.array(batch.topic, np.int64)
        most = int(topic.max(initial=0))
        if most >= len(self._by_topic):
            more = np.full(max(most + 1, 2 * len(self._by_topic)), _UNKNOWN)
            more[: len(self._by_topic)] = self._by_topic
            self._by_topic = more
        share: Ints = self._by_topic[topic]
        if share.min(initial=0) == _UNKNOWN:
            for number in np.unique(topic[share == _UNKNOWN]).tolist():
                self._by_topic[number] = self._number_of(self._share_of(batch.topics.texts[number]))
            share = self._by_topic[topic]
        return share

    def forget_if_many(self) -> None:
        """Make room for others; only while nothing waits, since numbers change their meaning."""
        if len(self.names) >= MAX_SHARES:
            self.names, self._numbers, self._topics = [COMMON_NAME], {}, None

    def _number_of(self, name: str) -> int:
        number = self._numbers.get(name)
        if number is None:
            if len(self.names) >= MAX_SHARES:
                return _COMMON
            number = self._numbers[name] = len(self.names)
            self.names.append(name)
        return number
