"""The doors of the house: what the engine asks of a source, a sink and a store. Adapters stand behind them.

A source brings messages and is told which of them are safe. A sink delivers the steps of alerts, each once it is
committed, and tells states. A store keeps what must outlive the process. None of them sees the inside of another:
tokens, resume and progress are opaque to everybody but the door they come from.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from monitor.core.values.messages import MessageBatch, Token

Wake = Callable[[], None]  # lets the engine look at its sources and sinks at once; any thread may call it


class TakeLimits(NamedTuple):
    """How much one `take` may bring: at most so many messages and, beyond the first, so many bytes of payload."""

    messages: int
    nbytes: int


class Source(Protocol):
    """Where messages come from. All methods are called by the engine's thread, and none of them blocks.

    name: stands for it in the journal, in checkpoints and in the log; unique.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - the class says it

    def remember(self, resume: bytes) -> None:
        """Before `start`: what was committed of this source by former processes. Called only if there is anything."""
        ...

    def start(self, wake: Wake) -> None:
        """Begin to receive; once only, unless idempotent calls follow. `wake` is called when there is something."""
        ...

    def take(self, limits: TakeLimits) -> MessageBatch | None:
        """The messages that wait, oldest first; None if none does."""
        ...

    def acknowledge(self, tokens: Sequence[Token]) -> None:
        """What these messages carry is safe. Called in the order of `take`, after the commit."""
        ...

    def resume_of(self, tokens: Sequence[Token]) -> bytes:
        """What a later process needs to know, once these messages are committed: it stands in the same commit.

        Empty where it needs to know nothing.
        """
        ...

    def merge(self, older: bytes, newer: bytes) -> bytes:
        """Two of what `resume_of` gave, in order, as one."""
        ...

    def stop_receiving(self) -> None:
        """Let nothing more come in; what waits can still be taken and acknowledged."""
        ...

    @property
    def alive(self) -> bool:
        """Whether what feeds it still runs; one that is dead is replaced by a fresh one."""
        ...

    @property
    def finished(self) -> bool:
        """Whether it has come to the end of its input for good, and all of it was taken."""
        ...

    def leave(self, timeout_seconds: float) -> None:
        """Begin to end; `alive` is false when that is done, or given up after the timeout. Idempotent."""
        ...


class DeliveryKey(NamedTuple):
    """One step of one alert. step: 0 for the first step of an alert, then counted up; the same in every process."""

    alert: str
    step: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """A step of an alert on its way to one sink.

    topic: below the sink's own base, `<stream>/alert`. payload: JSON. progress: how far the sink is, opaque to others.
    begun: a former connection or process may have begun to deliver it.
    """

    key: DeliveryKey
    topic: str
    payload: bytes
    progress: bytes = b""
    begun: bool = False

    def at(self, progress: bytes, *, begun: bool = False) -> "Delivery":
        """The same delivery, so far; `begun`: perhaps begun before."""
        return replace(self, progress=progress, begun=begun)


class Progress(NamedTuple):
    """How far a sink is with a delivery; `done`: it needs nothing more."""

    key: DeliveryKey
    progress: bytes
    done: bool


@dataclass(frozen=True, slots=True)
class Told:
    """A state to tell: only the last one of a topic matters. An empty payload clears it."""

    topic: str
    payload: bytes


class Sink(Protocol):
    """Where alerts and states go. All methods are called by the engine's thread, and none of them blocks.

    name: stands for it in the outbox and in the log; unique.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - the class says it

    def start(self, wake: Wake) -> None:
        """Begin to deliver. `wake` is called when there is progress. Idempotent."""
        ...

    def begin(self, delivery: Delivery) -> bytes:
        """The progress to commit a delivery with, before it is handed to `deliver`."""
        ...

    def deliver(self, delivery: Delivery) -> None:
        """Deliver a step that is committed; steps of one alert stay in order. Again after a crash, with `begun`."""
        ...

    def progress(self) -> list[Progress]:
        """What got further since the last call, to be committed."""
        ...

    def committed(self, keys: Iterable[DeliveryKey]) -> None:
        """The progress of these is committed: now what depends on it may go on."""
        ...

    def tell(self, state: Told) -> None:
        """Tell a state, as well as it can be done now; never journaled."""
        ...

    @property
    def alive(self) -> bool:
        """Whether what delivers still runs; one that is dead is replaced by a fresh one."""
        ...

    @property
    def idle(self) -> bool:
        """Whether nothing waits to be delivered or told."""
        ...

    def leave(self, timeout_seconds: float) -> None:
        """Begin to deliver what waits and end; `alive` is false when that is done, or given up. Idempotent."""
        ...
