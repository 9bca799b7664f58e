"""What decoding makes of messages: blocks of samples, in columns; and what a decoder is."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.core.values.discards import Discard
from monitor.core.values.messages import MessageBatch
from monitor.core.values.snapshots import State, StateError


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a batch of messages of one source contributes, in columns: M blocks, N samples in all.

    payload: int64 [M], which message each block came from (ascending). first_time_seconds: float64 [M], epoch; NaN
    where the payload carries none. length: int64 [M], samples per block, all > 0. values: float32 [N, C'], the
    blocks' rows one after another. refused: message index and why. keys: placeholder to its value in each block [M],
    where payloads carry names; None: topics alone say where blocks belong.
    """

    payload: NDArray[np.int64]
    first_time_seconds: NDArray[np.float64]
    length: NDArray[np.int64]
    values: NDArray[np.float32]
    refused: tuple[tuple[int, Discard], ...] = ()
    keys: Mapping[str, Sequence[str]] | None = None

    def select(self, kept: NDArray[np.bool_]) -> "Decoded":
        """The blocks that are kept, without refusals. kept: bool [M]."""
        rows = np.repeat(kept, self.length)
        keys = self.keys and {
            name: [value for value, keep in zip(values, kept.tolist(), strict=True) if keep]
            for name, values in self.keys.items()
        }
        return Decoded(
            self.payload[kept], self.first_time_seconds[kept], self.length[kept], self.values[rows], (), keys
        )


class Decoder(ABC):
    """Messages to blocks, for one source.

    A decoder may know something of each topic that later messages build on. Then the same messages, in the same order,
    must leave it with the same state, however they are cut into batches: a replay relies on it.
    """

    @abstractmethod
    def decode(self, batch: MessageBatch) -> Decoded:
        """Decode messages of the source. Never raises on one: a bad one is refused with a reason, the others count."""

    def snapshot(self) -> State:
        """What has to outlive the process, in plain values and arrays; empty where there is nothing."""
        return {}

    def restore(self, state: State) -> None:
        """Go on from what a decoder of the same settings gave.

        Raises:
            StateError: the state is damaged; nothing was changed.

        """
        if state:
            raise StateError("a decoder that keeps nothing was given a state")
