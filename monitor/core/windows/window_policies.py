"""Window policies: where the windows of a stream lie, and when each is complete.

`sliding`: every `stride` samples of an unbroken run. `beat`: around each R peak that `beats.py` finds, as soon as the
window's last sample came; and where no beat comes for the longest RR interval, the latest samples, every `stride`
samples, because a heart that stands still must not look like a sensor that has nothing to say. The first beat of a run
ends no RR interval and gives no window.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from monitor.core.artifact.manifest import BeatSpec, WindowSpec
from monitor.core.beats.rr_intervals import Rhythm, RhythmState
from monitor.core.grid.ring_buffers import Rings
from monitor.core.grid.sample_grid import Ints
from monitor.core.values.columns import Columns, column, in_range
from monitor.core.values.snapshots import LARGEST, Slot, State, StateError, part_of, typed


@dataclass(frozen=True, slots=True)
class CompleteWindows:
    """B windows that are complete, oldest first within each stream.

    stream, end: int64 [B], whose, and the slot behind the last sample; derived: float32 [B, D], the derived channels.
    """

    stream: Ints
    end: Ints
    derived: NDArray[np.float32]

    @staticmethod
    def join(parts: list["CompleteWindows"]) -> "CompleteWindows":
        """Windows that were found one after another (at least once), in order."""
        if len(parts) == 1:
            return parts[0]
        return CompleteWindows(
            np.concatenate([part.stream for part in parts]),
            np.concatenate([part.end for part in parts]),
            np.concatenate([part.derived for part in parts]),
        )


NO_WINDOWS = CompleteWindows(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 0), np.float32))


class WindowPolicy(Protocol):
    """What a way of cutting does."""

    @property
    def lookback_samples(self) -> int:
        """How far before the newest sample a window may begin that is still to be cut."""
        ...

    def open_stream(self, stream: int, run_start: int) -> None:
        """Start stream number `stream`, whose first slot will be `run_start`; forget who had the number."""
        ...

    def due(self, streams: Ints, run_start: Ints, complete: Ints, rings: Rings) -> CompleteWindows:
        """The windows that became complete.

        streams, run_start, complete: int64 [T], which streams, the first slot after their last gap, and the next slot.
        """
        ...

    def snapshot(self, streams: Ints) -> State:
        """What is known of these streams, to be kept. streams: int64 [T]."""
        ...

    def schema(self) -> list[Any]:
        """What a snapshot is made of, as plain values."""
        ...

    def check(self, state: object, count: int) -> None:
        """See whether `state` is a snapshot of `count` streams; raises StateError if it is not."""
        ...

    def cut_before(self, state: State) -> Ints:
        """Of a snapshot that passes `check`, the slots before which nothing is left to be cut: int64 [T]."""
        ...

    def restore(self, streams: Ints, state: State) -> None:
        """Give streams that are open what a snapshot that passes `check` says. streams: int64 [T]."""
        ...


def window_policy_of(spec: WindowSpec, sample_period_seconds: float) -> WindowPolicy:
    """The way of cutting that `spec` names.

    Raises:
        ValueError: the sample rate is too low for it.

    """
    return SlidingWindows(spec) if spec.beat is None else BeatWindows(spec, spec.beat, sample_period_seconds)


class SlidingWindows(Columns):
    """A window every `stride` samples."""

    _next_end: Ints = column("next_end", np.int64)
    _run: Ints = column("run", np.int64)  # the run_start that _next_end was counted from

    def __init__(self, spec: WindowSpec) -> None:
        super().__init__()
        self._length, self._stride = spec.length, spec.stride

    @property
    def lookback_samples(self) -> int:
        """As `WindowPolicy` says."""
        return self._length

    def open_stream(self, stream: int, run_start: int) -> None:
        """As `WindowPolicy` says."""
        self.ensure_capacity(stream + 1)
        self._run[stream] = run_start
        self._next_end[stream] = run_start + self._length

    def due(self, streams: Ints, run_start: Ints, complete: Ints, rings: Rings) -> CompleteWindows:  # noqa: ARG002 - the protocol's
        """As `WindowPolicy` says."""
        new = run_start != self._run[streams]
        if new.any():
            broken = streams[new]
            self._run[broken] = run_start[new]
            self._next_end[broken] = run_start[new] + self._length
        next_end = self._next_end[streams]
        if (complete < next_end).all():  # as mostly where few blocks come
            return NO_WINDOWS
        due = np.maximum((complete - next_end) // self._stride + 1, 0)
        owner = np.repeat(streams, due)
        nth = np.arange(len(owner)) - np.repeat(np.cumsum(due) - due, due)
        end = self._next_end[owner] + nth * self._stride
        self._next_end[streams] += due * self._stride
        return CompleteWindows(owner, end, np.zeros((len(owner), 0), np.float32))

    def check(self, state: object, count: int) -> None:
        """As `WindowPolicy` says."""
        super().check(state, count)
        in_range(part_of(state, "next_end"), 0, LARGEST)

    def cut_before(self, state: State) -> Ints:
        """As `WindowPolicy` says."""
        next_end: Ints = state["next_end"]
        return next_end


_Waiting = tuple[Slot, float, float]  # of a window to complete: end, rr, rr_change


class BeatWindows(Columns):
    """A window around each beat, and where beats are missing."""

    _run: Ints = column("run", np.int64)

    def __init__(self, spec: WindowSpec, beat: BeatSpec, sample_period_seconds: float) -> None:
        # its filters bring half of SciPy along, 50 MB and as long to import as all the rest: only for who needs them
        from monitor.core.beats.r_peaks import BeatFinder  # noqa: PLC0415

        super().__init__()
        self._length = spec.length
        self._after = spec.length - beat.before_samples
        self._period_seconds = sample_period_seconds
        self._finder = BeatFinder(sample_period_seconds, beat.max_rr_seconds, spec.stride)
        self._rhythms: list[Rhythm] = []
        self._waiting: list[tuple[int, int, float, float]] = []  # stream, end, rr, rr_change of windows to complete

    @property
    def lookback_samples(self) -> int:
        """As `WindowPolicy` says."""
        return self._length + self._finder.lookback_samples

    def open_stream(self, stream: int, run_start: int) -> None:
        """As `WindowPolicy` says."""
        self._finder.open_stream(stream)
        self.ensure_capacity(stream + 1)
        self._run[stream] = run_start
        self._rhythms += [Rhythm(self._period_seconds) for _ in range(stream + 1 - len(self._rhythms))]
        self._rhythms[stream] = Rhythm(self._period_seconds)
        self._waiting = [window for window in self._waiting if window[0] != stream]

    def due(self, streams: Ints, run_start: Ints, complete: Ints, rings: Rings) -> CompleteWindows:
        """As `WindowPolicy` says."""
        self._interrupt(streams[run_start != self._run[streams]].tolist())
        self._run[streams] = run_start
        for stream, slot, is_beat in self._finder.find(streams, run_start, complete, rings):
            begin = int(self._run[stream])
            if is_beat:
                numbers, end = self._rhythms[stream].beat(slot), slot + self._after
            else:
                numbers, end = self._rhythms[stream].pause(slot, begin), slot
            if numbers is not None and end - self._length >= begin:
                self._waiting.append((stream, end, *numbers))
        upto = dict(zip(streams.tolist(), complete.tolist(), strict=True))
        ready = [window for window in self._waiting if window[1] <= upto.get(window[0], -1)]
        self._waiting = [window for window in self._waiting if window[1] > upto.get(window[0], -1)]
        return _complete_windows(ready)

    def _interrupt(self, streams: Iterable[int]) -> None:
        for stream in streams:
            self._rhythms[stream].interrupt()
            self._waiting = [window for window in self._waiting if window[0] != stream]

    def snapshot(self, streams: Ints) -> State:
        """As `WindowPolicy` says."""
        waiting: dict[int, list[tuple[float, ...]]] = {stream: [] for stream in streams.tolist()}
        for stream, *window in self._waiting:
            waiting[stream].append(tuple(window))
        return super().snapshot(streams) | {
            "beats": self._finder.snapshot(streams),
            "rhythms": [self._rhythms[stream].snapshot() for stream in waiting],
            "waiting": list(waiting.values()),
        }

    def schema(self) -> list[Any]:
        """As `WindowPolicy` says."""
        return [super().schema(), self._finder.schema(), RhythmState.__struct_fields__]

    def check(self, state: object, count: int) -> None:
        """As `WindowPolicy` says."""
        super().check(state, count)
        self._finder.check(part_of(state, "beats"), count)
        rhythms = typed(part_of(state, "rhythms"), list[RhythmState])
        waiting = typed(part_of(state, "waiting"), list[list[_Waiting]])
        if not len(rhythms) == len(waiting) == count:
            raise StateError("rhythms of other streams")

    def cut_before(self, state: State) -> Ints:
        """As `WindowPolicy` says."""
        seen: Ints = state["beats"]["seen"]
        return seen

    def restore(self, streams: Ints, state: State) -> None:
        """As `WindowPolicy` says."""
        super().restore(streams, state)
        self._finder.restore(streams, state["beats"])
        for stream, rhythm, waiting in zip(streams.tolist(), state["rhythms"], state["waiting"], strict=True):
            self._rhythms[stream].restore(rhythm)
            self._waiting += [(stream, end, rr, change) for end, rr, change in waiting]


def _complete_windows(windows: list[tuple[int, int, float, float]]) -> CompleteWindows:
    # stable: of one stream they stay in the order in which they became certain, which is that of time
    columns = list(zip(*sorted(windows, key=itemgetter(0)), strict=True)) or [(), (), (), ()]
    return CompleteWindows(
        np.array(columns[0], np.int64),
        np.array(columns[1], np.int64),
        np.array(columns[2:], np.float32).T.reshape(-1, 2),
    )
