"""Shares: who takes up how much of the history, and who gives when there is too much.

One bound holds for all streams together. Whoever takes up most gives first, down to the next; of a stream the most
crowded stratum gives first; and in a stratum what has the lowest priority goes. What is exempt from ageing counts apart
and may take half of the bound.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping
from typing import NamedTuple, TypeVar

_Key = TypeVar("_Key", bound=Hashable)


class StreamKey(NamedTuple):
    """A stream of a model: what has a share."""

    model: str
    stream: str


class Shares:
    """How many bytes each stream takes up: by stratum, exempt from ageing, and as a score line."""

    def __init__(self) -> None:
        self.ordinary: dict[StreamKey, int] = defaultdict(int)
        self.exempt: dict[StreamKey, int] = defaultdict(int)
        self.line: dict[StreamKey, int] = defaultdict(int)
        self._strata: dict[StreamKey, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        # the priority that a stratum was cut down to: what has less would be the next to go, and need not come in
        self._bars: dict[tuple[StreamKey, str], float] = {}
        self.stretches = 0

    def add(self, key: StreamKey, stratum: str, nbytes: int, *, exempt: bool = False, stretches: int = 1) -> None:
        """Count stretches in; negative numbers count them out."""
        self.stretches += stretches
        if exempt:
            _add(self.exempt, key, nbytes)
            return
        _add(self.ordinary, key, nbytes)
        _add(self._strata[key], stratum, nbytes)

    def add_line(self, key: StreamKey, nbytes: int) -> None:
        """Count a block of the score line in; negative numbers count it out."""
        _add(self.line, key, nbytes)

    def raise_bar(self, key: StreamKey, stratum: str, priority: float) -> None:
        """Note that a stratum was cut down to what has more than this priority."""
        self._bars[key, stratum] = max(priority, self.bar(key, stratum))

    def bar(self, key: StreamKey, stratum: str) -> float:
        """The priority that a new stretch of a stratum must have more than."""
        return self._bars.get((key, stratum), 0.0)

    def strata(self, key: StreamKey) -> Mapping[str, int]:
        """The bytes of a stream's ordinary stretches, by stratum."""
        return self._strata.get(key, {})

    def has(self, key: StreamKey) -> bool:
        """Whether anything of a stream takes up room."""
        return key in self.ordinary or key in self.exempt or key in self.line


def givers(sizes: Mapping[_Key, int], excess: int) -> Iterator[tuple[_Key, int]]:
    """Whom `excess` bytes are taken from, the largest first: each with how many it gives.

    Those that give come down to one level; whoever takes up less than that gives nothing.
    """
    ordered = sorted(sizes.items(), key=lambda item: -item[1])
    total = 0
    for count, (_, size) in enumerate(ordered, 1):
        total += size
        lower = ordered[count][1] if count < len(ordered) else 0
        if total - count * lower >= excess:
            level = max(0, (total - excess) // count)
            yield from ((key, size - level) for key, size in ordered[:count] if size > level)
            return
    yield from ordered


def _add(sizes: dict[_Key, int], key: _Key, nbytes: int) -> None:
    sizes[key] += nbytes
    if sizes[key] <= 0:
        del sizes[key]
