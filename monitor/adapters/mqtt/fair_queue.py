"""The fair queue: the order in which messages are taken while more waits than one take brings.

Messages stand in lines and are served in rounds. In the short line stand those of shares of which little waits. A share
that has more in a round than it may (its allowance) is held back: one that sends a lot at a time has a line of its own,
all others that are held back have one in common. A round takes what stands in the short line when it begins, then of
every other line one allowance for each share in it. So a device that sends thousands a second waits behind itself, and
one that sends once a second behind a few messages of each other.

What belongs to one share keeps its order: a share is in the short line only while none of its messages is held back,
and a round takes of the other lines only what was there when it began, which is older than what entered the short line
since. Messages that must be acknowledged keep their order over all shares (MQTT 5.0, section 4.6): all of them enter
the same line. Work is done by arrays over what arrived together; shares that are many and alike cost nothing each.
"""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.adapters.mqtt.line import Line, Run, above_level, sizes_of
from monitor.adapters.mqtt.shares import Ints
from monitor.core.ports import TakeLimits
from monitor.core.values.messages import ACKNOWLEDGE

# What a share may have in one round. So many that one loud share is cut into few pieces, and so few that a round of
# all loud ones stays short.
_MOST_OF_A_SHARE, _LEAST_OF_A_SHARE = 1000, 16
_ROUND_MESSAGES = 4000
_BYTES_OF_A_MESSAGE = 1024  # a payload that is larger counts as several messages
# Each piece of a line has its cost. So a share gets one of its own only for so many messages that arrive together, and
# only where they are a good part of all.
_LEAST_FOR_OWN_LINE, _PART_FOR_OWN_LINE = 32, 1 / 16
_MOST_OWN_LINES = 64


class Dropped(NamedTuple):
    """What was dropped: messages by share (int64 [S]), and bytes in all."""

    messages: Ints
    nbytes: int


class _Turn:
    """What a round has still to take of a line: so many messages and, beyond the first, so many bytes."""

    def __init__(self, line: Line, messages: int, nbytes: int) -> None:
        self.line = line
        self.messages = messages
        self.nbytes = nbytes


class FairQueue:
    """Messages in lines. droppable: int64 [S], how many of each share wait that nobody waits for."""

    def __init__(self) -> None:
        self.droppable: Ints = np.zeros(0, np.int64)
        self._held: Ints = np.zeros(0, np.int64)  # by share: how many are held back
        self._entered: Ints = np.zeros(0, np.int64)  # by share: what entered the short line in this round
        self._owns: Ints = np.zeros(0, np.int64)  # by share: 1 where it has a line of its own
        self._confirmed: Ints = np.zeros(0, np.int64)  # by share: 1 where some had to be acknowledged
        self._short, self._common = Line(), Line()
        self._own: dict[int, Line] = {}
        self._turns: deque[_Turn] = deque()  # of this round
        self._allowance = _MOST_OF_A_SHARE
        self._tokens_held = 0  # how many of those held back must be acknowledged

    def __len__(self) -> int:
        """How many messages wait."""
        return sum(line.messages for line in self._lines())

    def add(self, run: Run, shares: int) -> None:
        """Add messages that came after all others. shares: how many there are by now."""
        batch, share, nbytes = run
        self._ensure_capacity(shares)
        counts = np.bincount(share, minlength=len(self._held))
        cost = counts
        if nbytes > len(batch) * _BYTES_OF_A_MESSAGE:
            weights = np.maximum(sizes_of(batch) / _BYTES_OF_A_MESSAGE, 1.0)
            cost = np.bincount(share, weights, len(self._held)).astype(np.int64)
        if not len(self):
            self._share_out(counts)
        held = (self._held > 0) | (self._entered + cost > self._allowance)
        if batch.tokens:
            tokens = np.array(batch.flags, np.int64) >= ACKNOWLEDGE
            confirmed = share[tokens]
            if self._tokens_held or held[confirmed].any():
                held[confirmed] = True
            self._confirmed[confirmed] = 1
            self._give_up_own_lines(np.unique(confirmed[self._owns[confirmed] > 0]).tolist())
            self.droppable += np.bincount(share[~tokens], minlength=len(self._held))
        else:
            self.droppable += counts
        if not held[share].any():
            self._short.append(run)
            self._entered += cost
            return
        self._hold(run, held, counts)
        self._entered += np.where(held, 0, cost)

    def take(self, limits: TakeLimits) -> list[Run]:
        """What is next, in pieces: at most so many messages and, beyond the first, so many bytes of payload."""
        parts: list[Run] = []
        messages, nbytes = limits
        left = len(self)
        while messages > 0 and nbytes > 0 and left:
            if not self._turns:
                self._begin_round()
            turn = self._turns[0]
            if turn.messages <= 0 or turn.nbytes <= 0:
                self._turns.popleft()
                continue
            run = turn.line.take(min(messages, turn.messages), min(nbytes, turn.nbytes))
            count = len(run.batch)
            turn.messages -= count
            turn.nbytes -= run.nbytes
            self._note_taken(turn.line, run)
            messages, nbytes, left = messages - count, nbytes - run.nbytes, left - count
            parts.append(run)
        return parts

    def drop(self, most: int, *, by_bytes: bool) -> Dropped:
        """Drop so many messages, or bytes, of the loudest shares: the oldest of each, until all have one level left.

        Messages that must be acknowledged stay. Less is dropped where there is no more.
        """
        quota = above_level(self._droppable_bytes() if by_bytes else self.droppable, most)
        dropped, nbytes = self._short.drop(quota, by_bytes=by_bytes)  # older than what is held back
        self.droppable -= dropped
        for share, line in self._own.items():
            count, size = line.drop_front(share, quota, by_bytes=by_bytes)
            dropped[share] += count
            self.droppable[share] -= count
            self._held[share] -= count
            nbytes += size
            self._shorten_turn(line, count)
        counts, size = self._common.drop(quota, by_bytes=by_bytes)
        self.droppable -= counts
        self._held -= counts
        self._shorten_turn(self._common, int(counts.sum()))
        self._close_empty_lines()
        for turn in self._turns:
            turn.messages = min(turn.messages, turn.line.messages)
        return Dropped(dropped + counts, nbytes + size)

    def _shorten_turn(self, line: Line, dropped: int) -> None:
        """Let a round not reach beyond what was there when it began."""
        for turn in self._turns:
            if turn.line is line:
                turn.messages -= dropped

    def _lines(self) -> Iterator[Line]:
        yield self._short
        yield self._common
        yield from self._own.values()

    def _droppable_bytes(self) -> Ints:
        """How many bytes of each share wait that may be dropped: int64 [S]; at least one where a message may."""
        sizes: Ints = np.zeros(len(self.droppable), np.int64)
        for line in self._lines():
            for run in line.runs:
                may = run.droppable()
                sizes += np.bincount(run.share[may], sizes_of(run.batch)[may], len(sizes)).astype(np.int64)
        return np.maximum(sizes, np.minimum(self.droppable, 1))

    def _ensure_capacity(self, shares: int) -> None:
        if shares > len(self._held):
            more = np.zeros(max(shares, 2 * len(self._held)) - len(self._held), np.int64)
            self.droppable, self._held, self._entered, self._owns, self._confirmed = (
                np.concatenate([column, more])
                for column in (self.droppable, self._held, self._entered, self._owns, self._confirmed)
            )

    def _hold(self, run: Run, held: NDArray[np.bool_], counts: Ints) -> None:
        """Let the messages of some shares be held back, the others enter the short line.

        held: bool [S], of which shares. counts: int64 [S], how many messages each has.
        """
        many = max(_LEAST_FOR_OWN_LINE, len(run.batch) * _PART_FOR_OWN_LINE)
        fresh = np.flatnonzero(held & (self._held == 0) & (counts >= many) & (self._confirmed == 0))
        for share in fresh[: _MOST_OWN_LINES - len(self._own)].tolist():
            self._own[share] = Line()
            self._owns[share] = 1
        self._held += np.where(held, counts, 0)
        late = held[run.share]
        own = late & (self._owns[run.share] > 0)
        in_common = late & ~own
        for share in np.unique(run.share[own]).tolist():
            self._own[share].append(run.part(run.share == share))
        if in_common.any():
            part = run.part(in_common)
            self._common.append(part)
            self._tokens_held += len(part.batch.tokens)
        if not late.all():
            self._short.append(run.part(~late))

    def _give_up_own_lines(self, shares: list[int]) -> None:
        """Let what stands in lines of their own go behind the common line, where what follows it must stand."""
        for share in shares:
            line = self._own[share]
            while line.messages:
                self._common.append(line.take(line.messages, line.nbytes))
        self._close_empty_lines()

    def _close_empty_lines(self) -> None:
        for share in [share for share, line in self._own.items() if not line.messages]:
            del self._own[share]
            self._owns[share] = 0
        self._turns = deque(turn for turn in self._turns if turn.line.messages)

    def _begin_round(self) -> None:
        self._share_out(self._entered + self._held)
        in_common = int(np.count_nonzero((self._held > 0) & (self._owns == 0)))
        for line, shares in ((self._common, in_common), *((line, 1) for line in self._own.values())):
            most = shares * self._allowance
            self._turns.append(_Turn(line, min(line.messages, most), most * _BYTES_OF_A_MESSAGE))
        short = self._short
        self._turns.appendleft(_Turn(short, short.messages, short.nbytes + 1))

    def _share_out(self, counts: Ints) -> None:
        """Find what a share may have in a round, by how many shares have a lot. counts: int64 [S], what each has."""
        loud = max(int(np.count_nonzero(counts > _LEAST_OF_A_SHARE)), 1)
        self._allowance = min(max(_ROUND_MESSAGES // loud, _LEAST_OF_A_SHARE), _MOST_OF_A_SHARE)
        self._entered[:] = 0

    def _note_taken(self, line: Line, run: Run) -> None:
        """Count messages that were taken from a line as waiting no longer."""
        counts = np.bincount(run.share, minlength=len(self._held))
        if line is not self._short:
            self._held -= counts
            self._tokens_held -= len(run.batch.tokens)
        if run.batch.tokens:
            counts = np.bincount(run.share[run.droppable()], minlength=len(self._held))
        self.droppable -= counts
        if not line.messages and line is not self._short and line is not self._common:
            share = int(run.share[0])
            del self._own[share]
            self._owns[share] = 0
