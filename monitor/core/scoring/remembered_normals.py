"""Remembered normals: what was learnt of streams that are not open now, by name.

A machine that is switched off for a weekend is forgotten as a stream; what is usual for it is not, or it would learn
anew when it comes back, and learn whatever is wrong with it by then. An operator's `relearn` ends that. Names and bytes
are bounded: what was put here longest ago is dropped first, and counted.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.core.values.columns import in_range
from monitor.core.values.snapshots import Count, State, StateError, array_in, typed

MOST_NAMES = 50_000
MOST_BYTES = 16 * 1024 * 1024  # of one model's arrays: they are part of each checkpoint


@dataclass(frozen=True, slots=True)
class LearntNormals:
    """What was learnt of one stream.

    centre: float32 [C, 1] or, of a template, [C, L]. scale: float32 [C]. unlike: whether these are the numbers of the
    training data, because the stream's own lie outside what was seen there.
    """

    centre: NDArray[np.float32]
    scale: NDArray[np.float32]
    unlike: bool = False

    @property
    def nbytes(self) -> int:
        """What its arrays take."""
        return self.centre.nbytes + self.scale.nbytes


class _Kept(msgspec.Struct):
    names: list[str]
    centre: Any
    scale: Any
    unlike: Any
    dropped: Count


class RememberedNormals:
    """The memory of one model group. dropped: names that had to make room for others."""

    def __init__(self, most_names: int = MOST_NAMES, most_bytes: int = MOST_BYTES) -> None:
        self.dropped = 0
        self._most_names, self._most_bytes = most_names, most_bytes
        self._of: dict[str, LearntNormals] = {}  # in the order in which they were put here
        self._nbytes = 0
        self._snapshot: State | None = None  # while nothing changes: there may be many, and checkpoints come often

    def __len__(self) -> int:
        """How many names are remembered."""
        return len(self._of)

    def __contains__(self, name: str) -> bool:
        """Whether anything is remembered of a stream."""
        return name in self._of

    def put(self, name: str, learnt: LearntNormals) -> None:
        """Remember a stream; the oldest ones make room."""
        self.take(name)
        self._snapshot = None
        self._of[name] = learnt
        self._nbytes += learnt.nbytes
        while len(self._of) > self._most_names or self._nbytes > self._most_bytes:
            self.take(next(iter(self._of)))
            self.dropped += 1

    def take(self, name: str) -> LearntNormals | None:
        """What is remembered of a stream, which is from now on somebody else's to keep."""
        learnt = self._of.pop(name, None)
        if learnt is not None:
            self._nbytes -= learnt.nbytes
            self._snapshot = None
        return learnt

    def items(self) -> Iterable[tuple[str, LearntNormals]]:
        """All that is remembered, the oldest first."""
        return self._of.items()

    def snapshot(self, shape: tuple[int, int]) -> State:
        """All that is remembered, to be kept. shape: of one centre, [C, 1] or [C, L]."""
        if self._snapshot is None:
            self._snapshot = self._made_snapshot(shape)
        return self._snapshot

    def _made_snapshot(self, shape: tuple[int, int]) -> State:
        learnt = list(self._of.values())
        return {
            "names": list(self._of),
            "centre": np.array([each.centre for each in learnt], np.float32).reshape(-1, *shape),
            "scale": np.array([each.scale for each in learnt], np.float32).reshape(-1, shape[0]),
            "unlike": np.array([each.unlike for each in learnt], np.int8),
            "dropped": self.dropped,
        }

    def restore(self, state: object, shape: tuple[int, int]) -> None:
        """Remember what a state holds that passes `read_remembered`. shape: as for `snapshot`."""
        self.dropped += typed(state, _Kept).dropped
        for name, learnt in read_remembered(state, shape):
            self.put(name, learnt)


def read_remembered(state: object, shape: tuple[int, int]) -> list[tuple[str, LearntNormals]]:
    """What a snapshot holds, by name. shape: of one centre, [C, 1] or [C, L].

    Raises:
        StateError: it is no snapshot, or one of other shapes.

    """
    names = typed(state, _Kept).names
    count, (channels, _) = len(names), shape
    centre = array_in(state, "centre", np.float32, (count, *shape))
    scale = array_in(state, "scale", np.float32, (count, channels))
    unlike = array_in(state, "unlike", np.int8, (count,))
    in_range(unlike, 0, 1)
    if len(set(names)) != count:
        raise StateError("a stream is remembered twice")
    return [(name, LearntNormals(centre[at], scale[at], bool(unlike[at]))) for at, name in enumerate(names)]
