"""Rounds: everybody gets a turn in each, so that a machine's moods meet all alike; then medians, with spread. Pure."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_MIN_SECONDS = 1e-9  # a turn that took no time at all is still no division by zero


@dataclass(frozen=True, slots=True)
class Turn:
    """What one contestant did in one round.

    seconds: from the first byte sent to everything counted. cpu_seconds: of the contestant's process meanwhile.
    rss_bytes: its memory at the end. void: why the turn proves nothing; empty if it does.
    """

    contestant: str
    messages: int
    windows: int
    seconds: float
    cpu_seconds: float
    rss_bytes: int
    void: tuple[str, ...] = ()

    @property
    def messages_per_second(self) -> float:
        """Rate over the whole turn."""
        return self.messages / max(self.seconds, _MIN_SECONDS)

    @property
    def windows_per_second(self) -> float:
        """Rate over the whole turn."""
        return self.windows / max(self.seconds, _MIN_SECONDS)

    @property
    def cpu_us_per_message(self) -> float:
        """Processor time, in microseconds."""
        return self.cpu_seconds / max(self.messages, 1) * 1e6


@dataclass(frozen=True, slots=True)
class Spread:
    """A median and the values it lies between."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Of at least one value."""
        return cls(statistics.median(values), min(values), max(values))


class Rounds:
    """The turns of some contestants, round by round."""

    def __init__(self, names: Sequence[str]) -> None:
        self.turns: dict[str, list[Turn]] = {name: [] for name in names}

    def order(self, number: int) -> list[str]:
        """Who has a turn after whom in round `number`: everybody begins once."""
        names = list(self.turns)
        first = number % len(names)
        return names[first:] + names[:first]

    def add(self, turn: Turn) -> None:
        """Take down a turn."""
        self.turns[turn.contestant].append(turn)

    def spread(self, name: str, figure: Callable[[Turn], float]) -> Spread:
        """One figure of one contestant, over the rounds."""
        return Spread.of([figure(turn) for turn in self.turns[name]])

    def ratio(self, name: str, other: str, figure: Callable[[Turn], float]) -> Spread:
        """One contestant's figure over another's, round by round."""
        pairs = zip(self.turns[name], self.turns[other], strict=True)
        return Spread.of([figure(one) / max(figure(two), _MIN_SECONDS) for one, two in pairs])

    @property
    def void(self) -> list[str]:
        """Why turns were void."""
        return [reason for turns in self.turns.values() for turn in turns for reason in turn.void]
