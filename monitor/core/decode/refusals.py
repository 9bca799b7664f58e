"""Refusals: the payloads of one run that are refused so far, each with one reason and a detail that is safe to log.

A detail is short and plain: of the payload it shows a few bytes at most, escaped.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from monitor.core.values.discards import Discard, Reason

_EXCUSE_LETTERS = 120
_SNIPPET_BYTES = 16  # at most 64 letters once escaped


class Refusals:
    """Collects refusals of `payloads`; what is not refused is kept."""

    def __init__(self, payloads: Sequence[bytes]) -> None:
        self._payloads = payloads
        self._discards: dict[int, Discard] = {}

    def add(self, index: int, reason: Reason, excuse: str) -> None:
        """Refuse one payload. The first reason given for a payload stands."""
        snippet = snippet_of(self._payloads[index])
        self._discards.setdefault(index, Discard(reason, f"{excuse[:_EXCUSE_LETTERS]} in {snippet}"))

    def add_where(self, wrong: NDArray[np.bool_], index: NDArray[np.int64], reason: Reason, excuse: str) -> None:
        """Refuse the payloads of an index where they are wrong, for one reason. wrong: bool [M]. index: int64 [M]."""
        for refused in index[wrong].tolist():
            self.add(refused, reason, excuse)

    def kept(self) -> NDArray[np.int64]:
        """Which payloads are not refused: int64, ascending."""
        if not self._discards:
            return np.arange(len(self._payloads))
        keep = np.ones(len(self._payloads), dtype=np.bool_)
        keep[list(self._discards)] = False
        return np.flatnonzero(keep)

    def as_tuple(self) -> tuple[tuple[int, Discard], ...]:
        """List what was refused, in payload order."""
        return tuple(sorted(self._discards.items()))


def snippet_of(payload: bytes) -> str:
    """The first bytes of a payload, safe to log."""
    return repr(payload[:_SNIPPET_BYTES]) + ("…" if len(payload) > _SNIPPET_BYTES else "")
