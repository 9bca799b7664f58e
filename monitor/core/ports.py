"""The doors of the house: what the engine asks of a source, a sink and a store. Adapters stand behind them.

A source brings messages and is told which of them are safe. A sink delivers the steps of alerts, each once it is
committed, and tells states. A store keeps what must outlive the process. None of them sees the inside of another:
tokens, resume and progress are opaque to everybody but the door they come from.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from monitor.core.values.messages import MessageBatch, Token
from monitor.core.values.snapshots import State


class Wake(Protocol):
    """Lets the engine look at its sources and sinks; any thread may call it.

    urgent: at once. Otherwise the engine may wait for some milliseconds, so that many small messages share one walk.
    """

    def __call__(self, *, urgent: bool = False) -> None: ...  # noqa: D102 - the class says it


def do_nothing(*, urgent: bool = False) -> None:
    """A `Wake` for sources and sinks that nobody waits for."""


class TakeLimits(NamedTuple):
    """How much one `take` may bring: at most so many messages and, beyond the first, so many bytes of payload."""

    messages: int
    nbytes: int


# What is taken in one go is walked through in one go. Arrays of about this much stay in the processor's caches: with
# ten times as much, a message costs twice as much, or three times if it is large.
TAKE_LIMITS = TakeLimits(messages=1000, nbytes=1024 * 1024)


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
        """The messages that wait, oldest first; None if none does.

        More than one take brings may be taken in turns, then oldest first of what feeds one stream; messages that are
        to be acknowledged come in the order of arrival.
        """
        ...

    def acknowledge(self, tokens: Sequence[Token]) -> None:
        """What these messages carry is safe. Called in the order of `take`, after the commit."""
        ...

    def resume_of(self, tokens: Sequence[Token]) -> bytes:
        """What a later process needs to know, once these messages are committed: it stands in the same commit.

        Empty where it needs to know nothing.
        """
        ...

    def merge(self, resumes: Sequence[bytes]) -> bytes:
        """Several of what `resume_of` or `merge` gave (at least one), in order, as one."""
        ...

    def stop_receiving(self) -> None:
        """Let nothing more come in; what waits can still be taken and acknowledged."""
        ...

    def give_up(self) -> int:
        """Let go of what waits, when there is no time left to take it. Returns how many messages that loses.

        What is to be acknowledged is not lost: whoever sent it keeps it.
        """
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


class StepKey(NamedTuple):
    """One step of one alert. step: 0 for the first step of an alert, then counted up; the same in every process."""

    alert: str
    step: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """A step of an alert on its way to one sink.

    topic: below the sink's own base, `<stream>/alert`. payload: JSON. progress: how far the sink is, opaque to others.
    begun: a former connection or process may have begun to deliver it.
    """

    key: StepKey
    topic: str
    payload: bytes
    progress: bytes = b""
    begun: bool = False

    def at(self, progress: bytes, *, begun: bool = False) -> "Delivery":
        """The same delivery, so far; `begun`: perhaps begun before."""
        return replace(self, progress=progress, begun=begun)


class Progress(NamedTuple):
    """How far a sink is with a delivery, opaque to others; `done`: it needs nothing more."""

    key: StepKey
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

    def committed(self, keys: Iterable[StepKey]) -> None:
        """The progress of these is committed: now what depends on it may go on."""
        ...

    def tell(self, state: Told) -> None:
        """Tell a state, as well as it can be done now; never journaled."""
        ...

    def retained_at(self, topic: str) -> str | None:
        """The place where a state of this topic stands once it is told, opaque to others; None: it stands nowhere."""
        ...

    def clear(self, place: str) -> bool:
        """Clear what stands at a place that `retained_at` gave, in whichever process; whether that was taken on."""
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


class OutboxRow(NamedTuple):
    """A delivery that is to be committed. sink: by name. ends: whether the step ends its alert."""

    sink: str
    delivery: Delivery
    ends: bool


class StoreError(Exception):
    """The store cannot be read or written now; nothing was changed. The text says why."""


class DamagedError(StoreError):
    """What lies in the store is damaged: it has to be replaced."""


class Store(Protocol):
    """What durability needs of a disk: a journal of steps, an outbox of deliveries, and one checkpoint.

    id: names the journal, so that a checkpoint names the steps that follow it. last: number of the last step.
    nbytes: what the records of steps take. moved_aside: journals that were found damaged and replaced.

    Raises (all methods but `close`):
        StoreError: it cannot be read or written; nothing was changed.

    """

    id: str
    last: int
    nbytes: int
    moved_aside: int

    def open(self) -> None:
        """Open the journal; make it if there is none, migrate it from older versions, replace it if it is damaged."""
        ...

    def replace(self, why: str) -> None:
        """Put the journal aside, because it is damaged, and start a fresh one."""
        ...

    def close(self) -> None:
        """Let go of the journal."""
        ...

    def append(
        self, record: bytes | None, rows: Sequence[OutboxRow], progress: Sequence[tuple[str, Progress]], now: float
    ) -> None:
        """Commit a step at once: its record, what is to be delivered, and how far deliveries are, by sink.

        now: epoch seconds. Rows whose sink and step are there already stay as they are.
        """
        ...

    def known(self, sink: str, keys: Iterable[StepKey]) -> set[StepKey]:
        """Those of the steps that were given to this sink before."""
        ...

    def steps(self, after: int) -> Iterator[bytes]:
        """The records of the steps after that number, in order."""
        ...

    def undelivered(self, sink: str) -> list[Delivery]:
        """What is not done yet of a sink, in the order in which it was committed."""
        ...

    def unended(self, but: set[str]) -> list[Delivery]:
        """The last step of each alert that is not over, except the alerts of these ids."""
        ...

    def ended(self, alerts: set[str]) -> set[str]:
        """Those of the alerts of these ids whose end was given to a sink."""
        ...

    def forget(self, through: int, open_alerts: set[str]) -> None:
        """A checkpoint holds all up to that step: forget it, and alerts that are over and delivered everywhere.

        open_alerts: those that are open now, or in the checkpoint. They stay, even where they are over by now.
        """
        ...

    def retained(self) -> list[tuple[str, str]]:
        """Where states stand: sinks by name, and their places."""
        ...

    def note_retained(self, added: Iterable[tuple[str, str]], removed: Iterable[tuple[str, str]]) -> None:
        """Commit that states stand at these places, of sinks by name, and at those not any more."""
        ...

    def trim(self, sinks: Sequence[str], max_rows: int, before: float) -> dict[str, int]:
        """Give up deliveries that no sink takes any more; returns how many of each sink.

        sinks: those there are; what waits for any other is given up. max_rows: most to wait for one sink. before: what
        was committed earlier (epoch seconds) is given up.
        """
        ...

    def settle(self) -> None:
        """Make what was committed survive a power cut. For any thread."""
        ...

    def write_checkpoint(self, content: bytes) -> None:
        """Replace the checkpoint; it survives a power cut. For any thread."""
        ...

    def read_checkpoint(self) -> State | None:
        """What the checkpoint holds; None where there is none.

        Raises:
            StateError: it is damaged, or of a version that cannot be read.

        """
        ...

    def remove_checkpoint(self) -> None:
        """Remove the checkpoint, if there is one."""
        ...
