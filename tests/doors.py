"""A source and a sink in memory: they keep what is asked of real ones, and nothing else."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from monitor.core.ports import Delivery, Progress, StepKey, TakeLimits, Told, Wake
from monitor.core.values.messages import Message, MessageBatch, Token


@dataclass
class MemorySource:
    """Gives the messages that the test puts into it. resumes: what it was told to remember; acknowledged: tokens.

    It resumes by counting: its tokens are numbers, and `resume_of` names the last.
    """

    name: str = "memory"
    waiting: list[Message] = field(default_factory=list)
    acknowledged: list[Token] = field(default_factory=list)
    remembered: bytes = b""
    receiving: bool = True
    alive: bool = False
    finished: bool = False

    def put(self, *messages: Message) -> None:
        self.waiting += messages

    def remember(self, resume: bytes) -> None:
        self.remembered = resume

    def start(self, wake: Wake) -> None:
        self.alive = True
        wake()

    def take(self, limits: TakeLimits) -> MessageBatch | None:
        taken, self.waiting = self.waiting[: limits.messages], self.waiting[limits.messages :]
        return MessageBatch.of(taken) if taken else None

    def acknowledge(self, tokens: Sequence[Token]) -> None:
        self.acknowledged += tokens

    def resume_of(self, tokens: Sequence[Token]) -> bytes:
        return str(tokens[-1]).encode()

    def merge(self, resumes: Sequence[bytes]) -> bytes:
        return resumes[-1]

    def stop_receiving(self) -> None:
        self.receiving = False

    def give_up(self) -> int:
        lost = sum(message.token is None for message in self.waiting)
        self.waiting.clear()
        return lost

    def leave(self, timeout_seconds: float) -> None:  # noqa: ARG002 - it ends at once
        self.alive = False


@dataclass
class MemorySink:
    """Keeps what it is given. `finish` lets it report deliveries as done; before that it is stuck."""

    name: str = "sink"
    base: str = "base"
    begun: list[StepKey] = field(default_factory=list)
    delivered: list[Delivery] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    cleared: list[str] = field(default_factory=list)
    let_go: list[StepKey] = field(default_factory=list)
    news: list[Progress] = field(default_factory=list)
    alive: bool = False

    def start(self, wake: Wake) -> None:  # noqa: ARG002 - it never has news
        self.alive = True

    def begin(self, delivery: Delivery) -> bytes:
        self.begun.append(delivery.key)
        return b"begun"

    def deliver(self, delivery: Delivery) -> None:
        self.delivered.append(delivery)

    def progress(self) -> list[Progress]:
        news, self.news = self.news, []
        return news

    def committed(self, keys: Iterable[StepKey]) -> None:
        self.let_go += keys

    def tell(self, state: Told) -> None:
        self.told.append(state)

    def retained_at(self, topic: str) -> str:
        return f"{self.base}/{topic}"

    def clear(self, place: str) -> bool:
        self.cleared.append(place)
        return True

    @property
    def idle(self) -> bool:
        return not self.news

    def leave(self, timeout_seconds: float) -> None:  # noqa: ARG002 - it ends at once
        self.alive = False

    # what the test does

    def get_further(self) -> None:
        """Report that the other side has everything, and that it is not done."""
        self.news += [Progress(each.key, b"received", done=False) for each in self.delivered]

    def finish(self) -> None:
        """Report everything as done."""
        self.news += [Progress(each.key, b"", done=True) for each in self.delivered]

    def phases(self, decode: Any) -> list[str]:
        return [str(decode(each.payload)["phase"]) for each in self.delivered]
