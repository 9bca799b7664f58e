"""The recent history of one model's streams: windows that are held until it is decided which of them to keep.

A stream's time is divided into slots, staggered from stream to stream. When a slot is over it becomes a `Piece`, and
whoever keeps the history decides by its priority, its stratum and the alerts. Of a slot whose priority is below `bar`
nothing is held: that is how memory and time are saved where much comes. A slot that was not kept is remembered until
the next one is over, because an alert begins before it fires.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from monitor.core.history.layout import Layout
from monitor.core.history.line_buffer import LineBuffer
from monitor.core.history.score_line import ScoreLine
from monitor.core.history.slots import Slots
from monitor.core.history.strata import priorities_of, seed_of
from monitor.core.history.window_rows import WindowRows
from monitor.core.values.columns import Columns, column
from monitor.core.values.scorer import Floats32

_IDLE_STREAMS = 1000  # names of which nothing is held, beyond as many as there are of others


@dataclass(frozen=True, slots=True)
class Piece:
    """What was held of one slot of a stream. alert: whether it lies within or near an alert that fired.

    after_seconds: until when samples of the stream are kept already.
    """

    stream: str
    priority: float
    rows: WindowRows
    alert: bool
    after_seconds: float


@dataclass(slots=True)
class _Held:
    """What is held of a stream: of the slot that it is in, and, where that was not kept, of the one before."""

    slot: int
    priority: float
    touched_monotonic: float = -np.inf
    parts: list[WindowRows] = field(default_factory=list)
    alert: bool = False
    before: WindowRows | None = None
    nbytes: int = 0  # of both


class ModelHistory(Columns):
    """The windows of a model's streams, on their way into the history. names: of the streams, by our own number."""

    _seed: NDArray[np.uint64] = column(None, np.uint64)
    _offset: NDArray[np.float64] = column(None, np.float64)
    _watch_until: NDArray[np.float64] = column(None, np.float64, -np.inf)  # alerts: event time

    def __init__(self, layout: Layout, stride_samples: int) -> None:
        super().__init__()
        self.layout = layout
        self.slots = Slots.of(layout, stride_samples)
        self.lines = LineBuffer()
        self.bar = 0.0
        self.nbytes = 0
        self.number: dict[str, int] = {}
        self.names: list[str] = []
        self.kept_until: dict[str, float] = {}  # by stream, event time
        self._held: dict[int, _Held] = {}
        self._seen_names: list[str | None] = []
        self._ours: NDArray[np.int64] = np.zeros(0, np.int64)  # our own numbers, by number in those names

    def numbers_of(self, streams: NDArray[np.int64], names: list[str | None]) -> NDArray[np.int64]:
        """Our own numbers of streams: int64 [B]. streams: int64 [B], their numbers in `names`, none of which is None.

        Streams that are new get one.
        """
        if names is not self._seen_names:  # a stream was closed, and its number may be another's
            self._seen_names, self._ours = names, np.full(len(names), -1, np.int64)
        elif len(names) > len(self._ours):
            self._ours = np.concatenate((self._ours, np.full(len(names), -1, np.int64)))
        found: NDArray[np.int64] = self._ours[streams]
        if found.min(initial=0) < 0:
            for stream in np.unique(streams[found < 0]).tolist():
                self._ours[stream] = self._number_of(str(names[stream]))
            found = self._ours[streams]
        return found

    def _number_of(self, name: str) -> int:
        number = self.number.get(name)
        if number is None:
            number = self.number[name] = len(self.names)
            self.names.append(name)
            self.ensure_capacity(number + 1)
            self.reset(number)
            seed = seed_of(self.layout.model, name)
            self._seed[number] = seed
            self._offset[number] = (seed >> 32) / 2**32 * self.slots.seconds
        return number

    def wanted(self, numbers: NDArray[np.int64], ends_seconds: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Of which windows the samples are to be held: bool [B]. numbers: int64 [B]; ends_seconds: float64 [B]."""
        if self.bar <= 0:
            return np.ones(len(numbers), np.bool_)
        priority = priorities_of(self._seed[numbers], self._slots_of(numbers, ends_seconds))
        return (priority >= self.bar) | (ends_seconds <= self._watch_until[numbers])

    def take(
        self, numbers: NDArray[np.int64], line: ScoreLine, values: Floats32, now_monotonic: float
    ) -> Iterator[Piece]:
        """Hold windows that are wanted. Returns the slots that are over by that.

        numbers: int64 [B], of the streams. line: of the B windows, oldest first within each stream. values: float32
        [B, C, L], of the measured channels.
        """
        if not len(numbers):
            return
        slots = self._slots_of(numbers, line.ends_seconds)
        order = np.lexsort((line.ends_seconds, slots, numbers))
        opens = np.ones(len(order), np.bool_)
        opens[1:] = (np.diff(numbers[order]) != 0) | (np.diff(slots[order]) != 0)
        first = order[opens]
        # lists: a loop over them costs a fraction of one over arrays
        groups = zip(
            pairwise([*np.flatnonzero(opens).tolist(), len(order)]),
            numbers[first].tolist(),
            slots[first].tolist(),
            priorities_of(self._seed[numbers[first]], slots[first]).tolist(),
            (line.ends_seconds[first] <= self._watch_until[numbers[first]]).tolist(),
            strict=True,
        )
        for (start, stop), number, slot, priority, watched in groups:
            only = int(order[start])
            at = slice(only, only + 1) if stop - start == 1 else order[start:stop]
            rows = WindowRows(line.select(at), values[at].copy())  # or one row would keep all of them in memory
            held = self._held.get(number)
            if held is None:
                held = self._held[number] = _Held(slot, priority)
            elif held.slot != slot:
                piece, held = self._turn(number, held, slot, priority)
                if piece is not None:
                    yield piece
            held.alert |= watched
            held.touched_monotonic = now_monotonic
            held.parts.append(rows)
            held.nbytes += rows.nbytes
            self.nbytes += rows.nbytes

    def _slots_of(self, numbers: NDArray[np.int64], ends_seconds: NDArray[np.float64]) -> NDArray[np.int64]:
        slots: NDArray[np.float64] = np.floor((ends_seconds + self._offset[numbers]) / self.slots.seconds)
        return slots.astype(np.int64)

    def _turn(self, number: int, held: _Held, slot: int, priority: float) -> tuple[Piece | None, _Held]:
        """Let a stream go into another slot: what is held of the one before, and what is held from now on."""
        piece = self._piece_of(number, held)
        self.nbytes -= held.nbytes
        new = self._held[number] = _Held(slot, priority)
        if piece is not None and not piece.alert:
            self._keep_before(new, piece.rows)
        return piece, new

    def _keep_before(self, held: _Held, before: WindowRows | None) -> None:
        """Hold what there is of the slot before, or let go of it."""
        change = (0 if before is None else before.nbytes) - (0 if held.before is None else held.before.nbytes)
        held.before = before
        held.nbytes += change
        self.nbytes += change

    def _piece_of(self, number: int, held: _Held) -> Piece | None:
        """What is held of the slot that a stream is in."""
        if not held.parts:
            return None
        name = self.names[number]
        rows = WindowRows.join(held.parts)
        return Piece(name, held.priority, rows, held.alert, self.kept_until.get(name, -np.inf))

    def kept(self, piece: Piece) -> None:
        """Note that a piece is kept: what follows it need not hold its samples again."""
        self.kept_until[piece.stream] = float(piece.rows.line.ends_seconds[-1])
        held = self._held.get(self.number.get(piece.stream, -1))
        if held is not None and held.before is piece.rows:
            self._keep_before(held, None)

    # --- alerts

    def watch(self, stream: str, since_seconds: float) -> Piece | None:
        """An alert of a stream fired: hold all from now on. Returns what is held of the margin before it.

        since_seconds: event time of its first anomalous window.
        """
        number = self._number_of(stream)
        self._watch_until[number] = np.inf
        held = self._held.get(number)
        if held is None:
            return None
        held.alert = True
        before = held.before
        if before is None:
            return None
        self._keep_before(held, None)
        rows = before.select(before.line.ends_seconds >= since_seconds - self.slots.margin_seconds)
        after = self.kept_until.get(stream, -np.inf)
        return Piece(stream, held.priority, rows, True, after) if len(rows) else None

    def unwatch(self, stream: str, to_seconds: float) -> None:
        """The alert is over, or long enough: a margin behind it is held still. to_seconds: event time."""
        if stream in self.number:
            self._watch_until[self.number[stream]] = to_seconds + self.slots.margin_seconds

    # --- what is held too long or too much

    def finish(self, before_monotonic: float = np.inf) -> Iterator[Piece]:
        """The slots of streams of which nothing came since, which are forgotten; as it comes, of all."""
        for number in [number for number, held in self._held.items() if held.touched_monotonic < before_monotonic]:
            held = self._held.pop(number)
            self.nbytes -= held.nbytes
            piece = self._piece_of(number, held)
            if piece is not None:
                yield piece

    def raise_bar(self, bar: float) -> None:
        """Hold nothing any more of slots of a lower priority, but for alerts."""
        self.bar = bar
        for number, held in list(self._held.items()):
            if held.priority < bar and not held.alert:
                self.nbytes -= held.nbytes
                del self._held[number]

    def drop(self, stream: str) -> None:
        """Let go of all that is held of a stream."""
        held = self._held.pop(self.number.get(stream, -1), None)
        if held is not None:
            self.nbytes -= held.nbytes
        self.kept_until.pop(stream, None)

    def forget_idle(self) -> None:
        """Number the streams anew, those without anything held left out, so that names do not gather for ever."""
        idle = len(self.names) - len(self._held)
        if idle <= len(self._held) + _IDLE_STREAMS:
            return
        watched = {self.names[number]: float(self._watch_until[number]) for number in self._held}
        held = {self.names[number]: each for number, each in self._held.items()}
        self.number, self.names = {}, []
        self._held = {self._number_of(name): each for name, each in held.items()}
        for name, until in watched.items():
            self._watch_until[self.number[name]] = until
        self.kept_until = {name: at for name, at in self.kept_until.items() if name in self.number}
        self._seen_names = []
