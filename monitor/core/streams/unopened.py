"""Unopened streams: devices of which everything is refused from the first message on.

What never sends a block opens no stream, so it has no state and no quality. Here it has a name all the same, with what
was refused and why, until its stream opens or nothing comes any more. Names can be invented without end: of too many,
those that sent longest ago make room.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

from monitor.core.streams.notices import Notice
from monitor.core.values.discards import Discard, Reason
from monitor.core.values.names import shown_text

_MOST = 100
_TOLD_AFTER = 3  # messages: what a device leaves behind as it starts is not told
_MOST_SHOWN_LETTERS = 200


@dataclass(slots=True)
class Refusals:
    """What was refused of one would-be stream. last: the last of it; arrival_seconds: when that came (epoch)."""

    source: str
    model: str
    topic: str
    last: Discard
    arrival_seconds: float
    counts: Counter[Reason] = field(default_factory=Counter)


class Unopened:
    """The streams that there would be, by name. dropped: how many made room for others."""

    def __init__(self) -> None:
        self.streams: dict[str, Refusals] = {}  # who sent longest ago comes first
        self.dropped = 0
        self._told: set[str] = set()

    def count(self, name: str, source: str, model: str, topic: str, discard: Discard, arrival_seconds: float) -> None:
        """Count a message that was refused. name: that its stream would have."""
        found = self.streams.pop(name, None)
        if found is None:
            if len(self.streams) >= _MOST:
                self._drop(next(iter(self.streams)))
                self.dropped += 1
            found = Refusals(source, model, topic, discard, arrival_seconds)
        self.streams[name] = found
        found.last, found.topic, found.arrival_seconds = discard, topic, arrival_seconds
        found.counts[discard.reason] += 1

    def forget(self, opened: Collection[str], since_seconds: float) -> None:
        """Forget those that have opened, and those that sent nothing since then (epoch)."""
        gone = [name for name, each in self.streams.items() if name in opened or each.arrival_seconds < since_seconds]
        for name in gone:
            self._drop(name)

    def take_notices(self) -> list[tuple[str, Notice]]:
        """What there is to tell since the last call, with the model: each would-be stream once."""
        new = [name for name, each in self.streams.items() if each.counts.total() >= _TOLD_AFTER]
        notices = [(self.streams[name].model, self._notice(name)) for name in new if name not in self._told]
        self._told.update(new)
        return notices

    def _notice(self, name: str) -> Notice:
        each = self.streams[name]
        fields = {
            "stream": name,
            "source": each.source,
            "topic": shown_text(each.topic)[:_MOST_SHOWN_LETTERS],
            "reason": each.last.reason.value,
            "hint": each.last.detail,
        }
        return Notice("all that a device sends is refused: it opens no stream", fields)

    def _drop(self, name: str) -> None:
        del self.streams[name]
        self._told.discard(name)
