"""Labelling: labels that came by commands, from the command until they are kept in the history.

The history belongs to a thread of its own, so that the engine never waits for it. A request waits here, in the state of
the pipeline, until that thread has kept or refused it: a process that dies in between has it from its journal or its
checkpoint, and its key lets it be kept once.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple, Protocol

import msgspec

from monitor.core.history.label_request import LabelRequest
from monitor.core.values.discards import Discard, Reason
from monitor.core.values.snapshots import StateError, typed
from monitor.pipeline.asking import Asking

ACCEPTED = "accepted"  # what is counted of a command that was not refused
SOURCE = "commands"  # what the log calls where they come from
MAX_WAITING = 1000  # requests that are not kept yet; more are refused


class LabelOutcome(NamedTuple):
    """What became of a request: why it was refused, or None where it was kept."""

    key: str
    refusal: Discard | None


class AnsweredAlerts(NamedTuple):
    """Streams whose alerts were looked after, and those of them about whose alert people have said something."""

    streams: frozenset[str]
    answered: frozenset[str]


class LabelBox(Protocol):
    """What is between the pipeline and whoever writes the history; nothing here waits."""

    def put(self, request: LabelRequest) -> None:
        """Ask for a label to be kept; what was asked for before, by any process, is kept once."""

    def outcomes(self) -> list[LabelOutcome]:
        """What became of requests since the last call."""

    def look_after(self, alerts: Mapping[str, float]) -> None:
        """Look whether people say something about these alerts. alerts: since when they fire (epoch), by stream."""

    def answered(self) -> AnsweredAlerts | None:
        """What was found, since the last call; None: nothing new."""


class Labelling:
    """The requests that wait. counts, on_refused: as for `CommandHandler`. box: None where there is no history."""

    def __init__(self, counts: Counter[tuple[str, str]], on_refused: Callable[[str, str, Discard], None]) -> None:
        self.box: LabelBox | None = None
        self.models: Collection[str] = ()  # whose streams are in the history
        self._counts = counts
        self._on_refused = on_refused
        self._waiting: dict[str, LabelRequest] = {}
        self._fresh: list[str] = []  # keys of those that are not in the box yet

    def use(self, box: LabelBox | None, models: Collection[str]) -> None:
        """Have labels kept by this box, of streams of these models."""
        self.box, self.models = box, models
        self._fresh = list(self._waiting)

    def take_over(self, other: "Labelling") -> None:
        """Go on with what another one has, whose pipeline is replaced."""
        self._waiting = dict(other._waiting)  # noqa: SLF001 - one of its own kind
        self.use(other.box, other.models)

    def refusal(self, model: str) -> Discard | None:
        """Why no label about a stream of this model can be kept; None: it can."""
        if self.box is None:
            return Discard(Reason.NO_HISTORY, "no history is kept here, so labels are of no use; see [history]")
        if model not in self.models:
            return Discard(Reason.NO_HISTORY, f"nothing is kept of model {model}; see `history` of its [[model]]")
        if len(self._waiting) >= MAX_WAITING:
            return Discard(Reason.LABEL_LIMIT, f"{MAX_WAITING} labels wait to be kept already")
        return None

    def take(self, request: LabelRequest) -> None:
        """Let a request wait; it goes into the box with the next `settle`, when its command is committed."""
        self._waiting[request.key] = request
        self._fresh.append(request.key)

    def settle(self, asking: Asking) -> None:
        """See what became of requests, and who has answered what alerts ask. Call it about once a second."""
        if self.box is None:
            for request in self._waiting.values():
                self._count(request, Discard(Reason.NO_HISTORY, "no history is kept here any more"))
            self._waiting.clear()
            return
        for key, refusal in self.box.outcomes():
            if key in self._waiting:
                self._count(self._waiting.pop(key), refusal)
        for key in self._fresh:
            if key in self._waiting:
                self.box.put(self._waiting[key])
        self._fresh.clear()
        found = self.box.answered()
        if found is not None:
            asking.answer(*found)
        self.box.look_after(asking.alerts())

    def _count(self, request: LabelRequest, refusal: Discard | None) -> None:
        self._counts[request.command, ACCEPTED if refusal is None else refusal.reason.value] += 1
        if refusal is not None:
            self._on_refused(SOURCE, f"{request.stream}/set/{request.command}", refusal)

    def snapshot(self) -> list[object]:
        """The requests that wait, to be kept."""
        waiting: list[object] = msgspec.to_builtins(list(self._waiting.values()))
        return waiting

    def restore(self, state: object) -> None:
        """Go on with the requests of a snapshot.

        Raises:
            StateError: it is none.

        """
        requests = typed(state, list[LabelRequest])
        if len(requests) > MAX_WAITING:
            raise StateError("more labels than may wait")
        self._waiting = {request.key: request for request in requests}
        self._fresh = list(self._waiting)
