"""Given normals: centre and scale of streams that the artifact itself brings, instead of what a warm-up would teach."""

from collections.abc import Mapping

from monitor.core.artifact.stream_normals import StreamNormals
from monitor.core.scoring.remembered_normals import LearntNormals

MOST_RELEARNT = 50_000


class GivenNormals:
    """What an artifact gives streams, but for those that an operator let relearn after its data ended.

    relearnt: of such a stream, when (seconds). It outlives artifacts: the next one's data may end before, too.
    """

    def __init__(self) -> None:
        self.relearnt: dict[str, float] = {}
        self._of: dict[str, tuple[float, LearntNormals]] = {}  # with the end of their data

    def adopt(self, normals: StreamNormals | None) -> None:
        """Give what this artifact brings; None: nothing."""
        each = () if normals is None else normals.each()
        self._of = {name: (until, LearntNormals(centre, scale)) for name, until, centre, scale in each}

    def inherit(self, relearnt: Mapping[str, float]) -> None:
        """Take over which streams learn by themselves, and since when (seconds)."""
        for name, at_seconds in relearnt.items():
            self.relearn(name, at_seconds)

    def of(self, name: str) -> LearntNormals | None:
        """What is given to a stream; None: it learns by itself."""
        until_seconds, given = self._of.get(name, (0.0, None))
        return None if given is None or until_seconds <= self.relearnt.get(name, float("-inf")) else given

    def relearn(self, name: str, at_seconds: float) -> None:
        """Let a stream learn by itself, unless an artifact's data reach beyond this moment."""
        self.relearnt.pop(name, None)  # the newest stand last
        self.relearnt[name] = at_seconds
        while len(self.relearnt) > MOST_RELEARNT:
            del self.relearnt[next(iter(self.relearnt))]
