"""Cuts: where the windows of a stream lie, and when each is complete.

`sliding`: every `stride` samples of an unbroken run. `beat`: around each R peak that `beats.py` finds, as soon as the
window's last sample came; and where no beat comes for the longest RR interval, the latest samples, every `stride`
samples, because a heart that stands still must not look like a sensor that has nothing to say. The first beat of a run
ends no RR interval and gives no window.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from operator import itemgetter
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from monitor.core.artifact.manifest import BeatSpec, WindowSpec
from monitor.core.beats.rr_intervals import Rhythm
from monitor.core.grid.ring_buffers import Rings
from monitor.core.grid.sample_grid import Ints
from monitor.core.values.growable import grown
from monitor.core.values.snapshots import State, arrays_of, put_arrays


@dataclass(frozen=True, slots=True)
class CompleteWindows:
    """B windows that are complete, oldest first within each stream.

    stream, end: int64 [B], whose, and the slot behind the last sample; derived: float32 [B, D], the derived channels.
    """

    stream: Ints
    end: Ints
    derived: NDArray[np.float32]


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

    def snapshot(self) -> State:
        """Everything, to be kept."""
        ...

    def restore(self, state: State) -> None:
        """Be as the one was that gave this state."""
        ...


def window_policy_of(spec: WindowSpec, sample_period_seconds: float) -> WindowPolicy:
    """The way of cutting that `spec` names.

    Raises:
        ValueError: the sample rate is too low for it.

    """
    return SlidingWindows(spec) if spec.beat is None else BeatWindows(spec, spec.beat, sample_period_seconds)


class SlidingWindows:
    """A window every `stride` samples."""

    _KEPT = ("_next_end", "_run")

    def __init__(self, spec: WindowSpec) -> None:
        self._length, self._stride = spec.length, spec.stride
        self._next_end: Ints = np.zeros(0, np.int64)
        self._run: Ints = np.zeros(0, np.int64)  # the run_start that _next_end was counted from

    @property
    def lookback_samples(self) -> int:
        """As `WindowPolicy` says."""
        return self._length

    def open_stream(self, stream: int, run_start: int) -> None:
        """As `WindowPolicy` says."""
        for name in self._KEPT:
            setattr(self, name, grown(getattr(self, name), stream + 1, 0))
        self._run[stream] = run_start
        self._next_end[stream] = run_start + self._length

    def due(self, streams: Ints, run_start: Ints, complete: Ints, rings: Rings) -> CompleteWindows:  # noqa: ARG002 - the protocol's
        """As `WindowPolicy` says."""
        broken = streams[run_start != self._run[streams]]
        self._run[broken] = run_start[run_start != self._run[streams]]
        self._next_end[broken] = self._run[broken] + self._length
        due = np.maximum((complete - self._next_end[streams]) // self._stride + 1, 0)
        owner = np.repeat(streams, due)
        nth = np.arange(len(owner)) - np.repeat(np.cumsum(due) - due, due)
        end = self._next_end[owner] + nth * self._stride
        self._next_end[streams] += due * self._stride
        return CompleteWindows(owner, end, np.zeros((len(owner), 0), np.float32))

    def snapshot(self) -> State:
        """As `WindowPolicy` says."""
        return arrays_of(self, self._KEPT)

    def restore(self, state: State) -> None:
        """As `WindowPolicy` says."""
        put_arrays(self, self._KEPT, state)


class BeatWindows:
    """A window around each beat, and where beats are missing."""

    def __init__(self, spec: WindowSpec, beat: BeatSpec, sample_period_seconds: float) -> None:
        # its filters bring half of SciPy along, 50 MB and as long to import as all the rest: only for who needs them
        from monitor.core.beats.r_peaks import BeatFinder  # noqa: PLC0415

        self._length = spec.length
        self._after = spec.length - beat.before_samples
        self._period_seconds = sample_period_seconds
        self._finder = BeatFinder(sample_period_seconds, beat.max_rr_seconds, spec.stride)
        self._rhythms: list[Rhythm] = []
        self._run: Ints = np.zeros(0, np.int64)
        self._waiting: list[tuple[int, int, float, float]] = []  # stream, end, rr, rr_change of windows to complete

    @property
    def lookback_samples(self) -> int:
        """As `WindowPolicy` says."""
        return self._length + self._finder.lookback_samples

    def open_stream(self, stream: int, run_start: int) -> None:
        """As `WindowPolicy` says."""
        self._finder.open_stream(stream)
        self._run = grown(self._run, stream + 1, 0)
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

    def snapshot(self) -> State:
        """As `WindowPolicy` says."""
        return {
            "finder": self._finder.snapshot(),
            "rhythms": [rhythm.snapshot() for rhythm in self._rhythms],
            "run": self._run.copy(),
            "waiting": list(self._waiting),
        }

    def restore(self, state: State) -> None:
        """As `WindowPolicy` says."""
        self._finder.restore(state["finder"])
        self._rhythms = [Rhythm(self._period_seconds) for _ in state["rhythms"]]
        for rhythm, kept in zip(self._rhythms, state["rhythms"], strict=True):
            rhythm.restore(kept)
        self._run = state["run"].copy()
        self._waiting = [(stream, end, rr, change) for stream, end, rr, change in state["waiting"]]


def _complete_windows(windows: list[tuple[int, int, float, float]]) -> CompleteWindows:
    # stable: of one stream they stay in the order in which they became certain, which is that of time
    columns = list(zip(*sorted(windows, key=itemgetter(0)), strict=True)) or [(), (), (), ()]
    return CompleteWindows(
        np.array(columns[0], np.int64),
        np.array(columns[1], np.int64),
        np.array(columns[2:], np.float32).T.reshape(-1, 2),
    )
