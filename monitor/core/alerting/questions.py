"""Questions: an alert that fires for hours on a steady level may be a fault or the new normal; a person has to tell.

Whether the level is steady is judged by the second half of the time that the alert has been firing: the scores there
spread little against the step that they are away from what is usual, and the last quarter is where the third is. A
fault that grows is not steady; one that grows by less than a tenth of the step in that time looks so, and the longer
the alert lasts, the slower a fault has to be for that.

What a question is for is decided elsewhere: nothing here ends an alert.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.core.values.columns import Columns, column
from monitor.core.values.snapshots import State, StateError, part_of, typed

ASK_AFTER_SECONDS = 6 * 3600.0
MAX_SPREAD = 0.3  # standard deviation of the scores, over the step
MAX_DRIFT = 0.1  # from the third quarter to the last, over the step
_LEEWAY = 1.5  # by which a level that is asked about may be less steady, so that no question comes and goes

_BINS = 16  # of equal length, over the time since the alert fires; half of them are in use at least
_MOST_NOTED = 10_000  # windows that wait to be put into bins
_LEAST_FILLED = 0.75  # of the bins of the second half: of a time without windows nothing can be told

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


class Questions(Columns):
    """What the firing alerts of one model group ask. Streams are known by their numbers.

    usual_score: the median score of normal windows. after_seconds: how long an alert fires before it may ask.
    asks_since_seconds: float64 [S], event time since when the stream asks; NaN: it does not.
    """

    watched: Bools = column("watched", np.bool_)  # an alert fires, as far as is known here
    answered: Bools = column("answered", np.bool_)  # people have said something about the alert
    asks_since_seconds: Floats = column("asks_since_seconds", np.float64, np.nan)
    began_seconds: Floats = column("began_seconds", np.float64, np.nan)  # event time at which the alert fired
    _last_seconds: Floats = column("last_seconds", np.float64, np.nan)
    _bin_seconds: Floats = column("bin_seconds", np.float64, 1.0)
    _count: Floats = column("count", np.float64, shape=("bins",))
    _sum: Floats = column("sum", np.float64, shape=("bins",))
    _squares: Floats = column("squares", np.float64, shape=("bins",))

    def __init__(self, usual_score: float) -> None:
        super().__init__(bins=_BINS)
        self.usual_score = usual_score
        self.after_seconds = ASK_AFTER_SECONDS
        self._any_watched = False
        self._noted: list[tuple[Ints, Floats, NDArray[np.float32]]] = []  # stream, end_seconds, score: [n]
        self._rows_noted = 0

    def open_stream(self, stream: int) -> None:
        """Make room for stream number `stream`, which has no alert."""
        self.ensure_capacity(stream + 1)
        self.reset(stream)

    def begin(self, stream: int, now_seconds: float) -> None:
        """An alert of a stream begins to fire (event time)."""
        self.reset(stream)
        self.watched[stream] = self._any_watched = True
        self.began_seconds[stream] = self._last_seconds[stream] = now_seconds
        self._bin_seconds[stream] = 2 * self.after_seconds / _BINS

    def observe(self, stream: Ints, end_seconds: Floats, score: NDArray[np.float32]) -> None:
        """Note the scores of B windows, those that were withheld as NaN.

        stream: int64 [B]; end_seconds: float64 [B], event time; score: float32 [B].
        """
        if not self._any_watched:
            return
        rows = np.flatnonzero(self.watched[stream])
        if len(rows):
            self._noted.append((stream[rows], end_seconds[rows], score[rows]))
            self._rows_noted += len(rows)
            if self._rows_noted > _MOST_NOTED:
                self._settle()

    def _settle(self) -> None:
        """Put what was noted into bins, of many windows at once: that costs as much as for one."""
        if not self._noted:
            return
        who, at, score = (np.concatenate(parts) for parts in zip(*self._noted, strict=True))
        self._noted.clear()
        self._rows_noted = 0
        # what was noted before an alert began to fire is of the one before, whose stream may even be gone
        rows = self.watched[who] & np.isfinite(score) & (at >= self.began_seconds[who])
        who, at, value = who[rows], at[rows], score[rows].astype(np.float64)
        np.maximum.at(self._last_seconds, who, at)
        self._widen(np.unique(who))
        place = ((at - self.began_seconds[who]) / self._bin_seconds[who]).astype(np.int64)
        np.add.at(self._count, (who, place), 1.0)
        np.add.at(self._sum, (who, place), value)
        np.add.at(self._squares, (who, place), value * value)

    def _widen(self, streams: Ints) -> None:
        """Make the bins of streams so long that the last of them holds the last window. streams: int64 [n], unique."""
        while len(streams):
            ages = self._last_seconds[streams] - self.began_seconds[streams]
            streams = streams[ages >= _BINS * self._bin_seconds[streams]]
            for column_of in (self._count, self._sum, self._squares):
                pairs = column_of[streams].reshape(len(streams), _BINS // 2, 2).sum(axis=2)
                column_of[streams] = np.hstack([pairs, np.zeros_like(pairs)])
            self._bin_seconds[streams] *= 2

    def review(self, firing: Bools, *, may_ask: bool = True) -> Ints:
        """Look which alerts ask now; call it about once a second. Returns the streams that changed: int64 [n].

        firing: bool [S'], whether an alert of a stream fires; S' is at least as many as there are rows here in use.
        may_ask: whether any may.
        """
        if not self._any_watched:
            return np.zeros(0, np.int64)
        self._settle()
        streams = np.flatnonzero(self.watched)
        over = streams[~firing[streams]]
        asked_before = over[~np.isnan(self.asks_since_seconds[over])]
        for stream in over.tolist():
            self.reset(stream)
        streams = streams[firing[streams]]
        self._any_watched = len(streams) > 0
        asks = ~np.isnan(self.asks_since_seconds[streams])
        should = self._steady(streams, asks) & ~self.answered[streams] & may_ask
        self.asks_since_seconds[streams[should & ~asks]] = self._last_seconds[streams[should & ~asks]]
        self.asks_since_seconds[streams[asks & ~should]] = np.nan
        return np.concatenate([asked_before, streams[should != asks]])

    def asked(self) -> Ints:
        """The streams whose alerts ask, or would if nobody had said anything about them: int64 [n]."""
        if not self._any_watched:
            return np.zeros(0, np.int64)
        return np.flatnonzero(self.watched & (self.answered | ~np.isnan(self.asks_since_seconds)))

    def _steady(self, streams: Ints, asks: Bools) -> Bools:
        """Which of n alerts have been firing for long on a steady level. streams: int64 [n]; asks: bool [n]."""
        age = self._last_seconds[streams] - self.began_seconds[streams]
        middle = (np.arange(_BINS) + 0.5) * self._bin_seconds[streams, None]
        inside = middle < age[:, None]
        late, last = inside & (middle >= age[:, None] / 2), inside & (middle >= age[:, None] * 0.75)
        with np.errstate(invalid="ignore", divide="ignore"):
            level, spread = self._level(streams, late), self._spread(streams, late)
            drift = np.abs(self._level(streams, last) - self._level(streams, late & ~last))
            step = (level - self.usual_score) * np.where(asks, _LEEWAY, 1.0)
            filled = ((self._count[streams] > 0) & late).sum(axis=1) >= _LEAST_FILLED * late.sum(axis=1)
            steady = (spread <= MAX_SPREAD * step) & (drift <= MAX_DRIFT * step)
        found: Bools = (age >= self.after_seconds) & filled & steady
        return found

    def _level(self, streams: Ints, chosen: Bools) -> Floats:
        count = (self._count[streams] * chosen).sum(axis=1)
        mean: Floats = (self._sum[streams] * chosen).sum(axis=1) / count
        return mean

    def _spread(self, streams: Ints, chosen: Bools) -> Floats:
        count = (self._count[streams] * chosen).sum(axis=1)
        variance = (self._squares[streams] * chosen).sum(axis=1) / count - self._level(streams, chosen) ** 2
        spread: Floats = np.sqrt(np.maximum(variance, 0.0))
        return spread

    # --- kept by name, of the streams that are watched alone: most streams have nothing here

    def kept(self, names: dict[str, int], firing: Bools) -> State:
        """What is watched, to be kept. names: the numbers of streams by name; firing: bool [S'], as for `review`."""
        self._settle()
        watched = {}
        if self._any_watched:  # an alert may be over since the last review
            watched = {name: number for name, number in names.items() if self.watched[number] and firing[number]}
        return {
            "streams": list(watched),
            "columns": self.snapshot(np.fromiter(watched.values(), np.int64, len(watched))),
        }

    def put_kept(self, names: dict[str, int], state: dict[str, Any], firing: Ints, now_seconds: Floats) -> None:
        """Go on with what passes `check_kept`.

        names: as for `kept`. firing: int64 [n], the streams whose alerts fire; now_seconds: float64 [n], event time of
        their last windows. Those of them that are not in the state, as of an older version, begin now.
        """
        if state:
            self.restore(np.array([names[name] for name in state["streams"]], np.int64), state["columns"])
            self._any_watched = bool(state["streams"])
        for stream, now in zip(firing.tolist(), now_seconds.tolist(), strict=True):
            if not self.watched[stream]:
                self.begin(stream, now)

    def check_kept(self, firing: set[str], state: dict[str, Any]) -> None:
        """See whether a state is what `kept` gave; an older version kept none. firing: streams whose alerts fire.

        Raises:
            StateError: it is something else.

        """
        if not state:
            return
        streams = typed(part_of(state, "streams"), list[str])
        columns = part_of(state, "columns")
        self.check(columns, len(streams))
        if len(set(streams)) != len(streams) or not firing.issuperset(streams):
            raise StateError("a question about a stream whose alert does not fire")
        numbers = np.concatenate([columns[name].ravel() for name in ("count", "sum", "squares")])
        times = np.stack([columns[name] for name in ("began_seconds", "last_seconds", "bin_seconds")])
        if not (np.isfinite(numbers).all() and np.isfinite(times).all() and (columns["count"] >= 0).all()):
            raise StateError("a question without numbers")
        with np.errstate(over="ignore"):
            fits = (times[2] > 0) & (times[1] - times[0] < _BINS * times[2])
        if not fits.all():
            raise StateError("a question about another time")
