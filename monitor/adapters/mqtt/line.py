"""A line: messages that stand in order, each with its share, in runs; and how the oldest of some shares leave it."""

from collections import deque
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.adapters.mqtt.shares import Ints
from monitor.core.values.messages import ACKNOWLEDGE, MessageBatch


class Run(NamedTuple):
    """Messages that stand together, the share of each (int64 [M]) and the bytes of their payloads."""

    batch: MessageBatch
    share: Ints
    nbytes: int

    def part(self, rows: NDArray[np.bool_]) -> "Run":
        """Take out the messages where it says so, in order.

        rows: bool [M].
        """
        if rows.all():
            return self
        batch = self.batch.pick(np.flatnonzero(rows).tolist())
        return Run(batch, self.share[rows], batch.nbytes)

    def rows(self, start: int, stop: int) -> "Run":
        """The messages from row `start` to before row `stop`."""
        if start == 0 and stop == len(self.batch):
            return self
        batch = self.batch.slice(start, stop)
        return Run(batch, self.share[start:stop], batch.nbytes)

    def droppable(self) -> NDArray[np.bool_]:
        """Which messages nobody waits for: bool [M]."""
        if not self.batch.tokens:
            return np.ones(len(self.batch), bool)
        return np.array(self.batch.flags, np.int64) < ACKNOWLEDGE


class Line:
    """Runs in order. messages, nbytes: how many they hold."""

    def __init__(self) -> None:
        self.messages = 0
        self.nbytes = 0
        self._runs: deque[Run] = deque()
        # messages of the first run that are gone: to cut them off would pass through all that follow, at each take
        self._taken = 0

    @property
    def runs(self) -> deque[Run]:
        """All that stands here."""
        if self._taken:
            first = self._runs.popleft()
            self._runs.appendleft(first.rows(self._taken, len(first.batch)))
            self._taken = 0
        return self._runs

    def append(self, run: Run) -> None:
        """Let messages stand at the end."""
        self._runs.append(run)
        self.messages += len(run.batch)
        self.nbytes += run.nbytes

    def take(self, messages: int, nbytes: int) -> Run:
        """At most so many messages and, beyond the first, so many bytes, from the front; all of one run."""
        first, start = self._runs[0], self._taken
        stop = min(start + messages, len(first.batch))
        run = first.rows(start, stop)
        if run.nbytes > nbytes:
            head, _ = run.batch.split(messages, nbytes)
            stop = start + len(head)
            run = first.rows(start, stop)
        self._taken = stop
        if stop == len(first.batch):
            self._runs.popleft()
            self._taken = 0
        self.messages -= len(run.batch)
        self.nbytes -= run.nbytes
        return run

    def drop(self, quota: Ints, *, by_bytes: bool) -> tuple[Ints, int]:
        """Drop the oldest messages of each share that nobody waits for, as many messages or bytes as `quota` has.

        quota: int64 [S], what is dropped is taken off it. Returns how many messages of each share (int64 [S]), and how
        many bytes that were.
        """
        dropped: Ints = np.zeros(len(quota), np.int64)
        nbytes = 0
        passed: list[Run] = []
        runs = self.runs
        while runs and quota.any():
            run = runs.popleft()
            rows = _oldest(run, quota, by_bytes=by_bytes)
            if len(rows):
                left = np.ones(len(run.batch), bool)
                left[rows] = False
                dropped += np.bincount(run.share[rows], minlength=len(quota))
                kept = run.part(left)
                nbytes += run.nbytes - kept.nbytes
                run = kept
            if run.batch:
                passed.append(run)
        runs.extendleft(reversed(passed))
        self.messages -= int(dropped.sum())
        self.nbytes -= nbytes
        return dropped, nbytes

    def drop_front(self, share: int, quota: Ints, *, by_bytes: bool) -> tuple[int, int]:
        """Do the same with a line in which there is nothing but droppable messages of one share: runs leave whole.

        quota: int64 [S]. Returns how many messages and bytes were dropped.
        """
        count = nbytes = 0
        runs = self.runs
        while runs and quota[share] > 0:
            run = runs.popleft()
            weight = max(run.nbytes, len(run.batch)) if by_bytes else len(run.batch)
            if weight > quota[share]:
                gone = len(_oldest(run, quota, by_bytes=by_bytes))
                if gone < len(run.batch):
                    runs.appendleft(run.rows(gone, len(run.batch)))
                    run = run.rows(0, gone)
            else:
                quota[share] -= weight
            count += len(run.batch)
            nbytes += run.nbytes
        self.messages -= count
        self.nbytes -= nbytes
        return count, nbytes


def sizes_of(batch: MessageBatch) -> Ints:
    """The bytes of each payload: int64 [M]."""
    return np.fromiter(map(len, batch.payload), np.int64, len(batch))


def above_level(waiting: Ints, most: int) -> Ints:
    """How much each share has to give, so that those that give keep the same and it is `most` in all: int64 [S].

    waiting: int64 [S], what each has. All of it where that is less than `most`.
    """
    most = min(most, int(waiting.sum()))
    highest = np.sort(waiting)[::-1]
    levels = (np.cumsum(highest) - most) / np.arange(1, len(highest) + 1)
    following = np.append(highest[1:], 0)
    level = int(np.ceil(levels[np.argmax(levels >= following)]))
    quota: Ints = np.maximum(waiting - level, 0)
    short = most - int(quota.sum())
    quota[np.flatnonzero((waiting >= level) & (waiting > quota))[:short]] += 1
    return quota


def _oldest(run: Run, quota: Ints, *, by_bytes: bool) -> Ints:
    """The rows to drop of a run, int64 [N]: of each share so many messages or bytes as `quota` has; that is used up."""
    rows = np.flatnonzero((quota[run.share] > 0) & run.droppable())
    if not len(rows):
        return rows
    rows = rows[np.argsort(run.share[rows], kind="stable")]
    share = run.share[rows]
    weight: Ints = np.maximum(sizes_of(run.batch)[rows], 1) if by_bytes else np.ones(len(rows), np.int64)
    before = np.cumsum(weight) - weight
    first = np.flatnonzero(np.diff(share, prepend=-1))
    before -= np.repeat(before[first], np.diff(np.append(first, len(share))))
    given = before < quota[share]
    np.subtract.at(quota, share[given], weight[given])
    np.maximum(quota, 0, out=quota)
    return rows[given]
