"""A part: the messages of one source out of a batch, decoded."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.core.decode.decoded import Decoded
from monitor.core.streams.model_group import ModelGroup
from monitor.core.values.discards import Discard
from monitor.core.values.messages import MessageBatch


class Refused(NamedTuple):
    """A message that was refused: its row in the batch, topic, arrival (epoch), channel group (below 0: none yet)."""

    row: int
    topic: str
    arrival_seconds: float
    channel_group: int
    discard: Discard

    def count_for(self, model_group: ModelGroup) -> None:
        """Count it for the stream that its topic leads to."""
        model_group.inputs.refuse_message(self.channel_group, self.discard, self.arrival_seconds)


@dataclass(slots=True)
class Part:
    """Messages of one source, decoded: m of them, M blocks.

    rows: int64 [m], where the messages stand in their batch. channel_group: int64 [M], of each block; below 0 where it
    is not found yet, or was refused. refused: messages whose topic has no channel group yet.
    """

    source: int
    batch: MessageBatch
    rows: NDArray[np.int64]
    decoded: Decoded
    channel_group: NDArray[np.int64]
    refused: list[Refused]

    def row_of_blocks(self) -> NDArray[np.int64]:
        """Where the message of each block stands in the batch: int64 [M]."""
        return self.rows[self.decoded.payload]

    def names_of(self, block: int, key_names: Sequence[str]) -> tuple[int, tuple[str, ...]]:
        """The number of a block's topic, and what its payload names, in the order of `key_names`."""
        columns = self.decoded.keys or {}
        return self.batch.topic[int(self.decoded.payload[block])], tuple(columns[name][block] for name in key_names)
