"""The window cutter: cuts out of rings the windows that blocks have completed, and tells how much of each is filled."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from monitor.core.artifact.manifest import WindowSpec
from monitor.core.grid.ring_buffers import Rings
from monitor.core.grid.sample_grid import Ints, Placement, SampleGrid
from monitor.core.windows.completion import completed_by
from monitor.core.windows.held_samples import hold_last
from monitor.core.windows.progress import Progress
from monitor.core.windows.stream_blocks import MergedBlocks
from monitor.core.windows.window_batch import WindowBatch
from monitor.core.windows.window_policies import CompleteWindows, WindowPolicy


class WindowCutter:
    """Cuts windows for the streams of one model group. progress: is told which streams have completed some."""

    def __init__(
        self, spec: WindowSpec, policy: WindowPolicy, grid: SampleGrid, rings: Rings, progress: Progress
    ) -> None:
        self._spec = spec
        self._policy = policy
        self._grid = grid
        self._rings = rings
        self._progress = progress

    def complete(self, streams: Ints, blocks: MergedBlocks, placed: Placement) -> WindowBatch | None:
        """The windows of these streams that are complete now, by these blocks; None where none is, as mostly.

        streams: int64 [T].
        """
        complete = self._grid.complete_slots(streams)
        broken = streams[self._grid.breaks.any(streams)] if self._grid.breaks else streams[:0]
        found = [*self._before_breaks(broken)] if len(broken) else []
        last = self._policy.due(streams, self._grid.run_start[streams], complete, self._rings)
        if not len(broken) and not len(last.stream):
            return None
        run = np.concatenate([*(begin for begin, _ in found), self._grid.run_start[last.stream]])
        windows = CompleteWindows.join([*(each for _, each in found), last])
        owner, end, derived = windows.stream, windows.end, windows.derived
        values = self._rings.gather(owner, end)
        coverage = self._coverage(owner, end, values)
        for stream in broken.tolist():
            self._grid.gap_fills.forget(stream, int(self._grid.run_start[stream]))
        if not len(owner):
            return None
        self._progress.complete(owner)
        if np.isnan(values.min()):
            self._hold_last(owner, end, run, values, coverage)
        if derived.shape[1]:
            constant = np.broadcast_to(derived[:, :, None], (*derived.shape, self._spec.length))
            values = np.concatenate((values, constant), axis=1)
            least = np.broadcast_to(coverage.min(axis=1, keepdims=True), derived.shape)
            coverage = np.concatenate((coverage, least), axis=1)
        clock, arrival = self._grid.clock[owner], self._grid.arrival[owner]
        if len(streams) < len(blocks):  # not the last block of a stream, but the one that completed it
            groups = self._grid.channel_groups_of(owner)
            groups = groups if self._grid.any_apart else groups[:, :1]
            by = completed_by(groups, end, blocks.arrivals.channel_group, placed)
            clock = np.where(by >= 0, placed.clock[by], clock)
            arrival = np.where(by >= 0, blocks.arrivals.arrival_seconds[by], arrival)
        return WindowBatch(
            stream=owner,
            end_seconds=clock + (end - 1) * self._grid.rules.sample_period_seconds,
            arrival_seconds=arrival,
            coverage=coverage,
            values=values,
        )

    def _before_breaks(self, streams: Ints) -> Iterator[tuple[Ints, CompleteWindows]]:
        """The windows that end before a break which is passed now, and where their runs began.

        The runs of these streams begin behind it.
        """
        grid = self._grid
        for at, complete in enumerate(grid.complete_slots(streams).tolist()):
            mine = streams[at : at + 1]
            for start, end in grid.breaks.take(int(mine[0]), complete):
                if start - grid.run_start[mine[0]] >= self._spec.length:
                    found = self._policy.due(mine, grid.run_start[mine], np.array([start]), self._rings)
                    yield grid.run_start[found.stream], found
                grid.run_start[mine[0]] = max(int(grid.run_start[mine[0]]), end)

    def _coverage(self, owner: Ints, end: Ints, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """What of windows [B, C, L] lies in no gap: float32 [B, C]; what is missing in them is not taken off yet."""
        coverage = np.ones((len(owner), self._grid.groups.channels), np.float32)
        gap_fills = self._grid.gap_fills
        for at in np.flatnonzero(gap_fills.any(owner)).tolist():
            stream, start = int(owner[at]), int(end[at]) - self._spec.length
            first_channels = self._grid.groups.first_channel(self._grid.channel_groups_of(owner[at : at + 1])[0])
            for left, right, first_channel in gap_fills.within(stream, start, int(end[at])):
                mine = first_channels == first_channel
                filled = ~np.isnan(values[at, mine, left - start : right - start])  # NaN: so was what it is filled with
                coverage[at, mine] -= filled.sum(axis=1) / np.float32(self._spec.length)
            gap_fills.forget(stream, start)
        return coverage

    def _hold_last(
        self, owner: Ints, end: Ints, run: Ints, values: NDArray[np.float32], coverage: NDArray[np.float32]
    ) -> None:
        """Fill what is missing in windows [B, C, L] as short gaps are, and lower their coverage [B, C]."""
        rows, before = np.flatnonzero(np.isnan(values).any(axis=(1, 2))), self._spec.max_gap_samples
        start = end[rows] - self._spec.length
        ahead = self._rings.tails(owner[rows], start, before)
        slots = start[:, None] - before + np.arange(before)
        of_another_run = slots < run[rows, None]
        ahead[np.broadcast_to(of_another_run[:, None], ahead.shape)] = np.nan
        samples = np.concatenate((ahead, values[rows]), axis=2)
        values[rows], missing = hold_last(samples, before, before)
        coverage[rows] -= missing / np.float32(self._spec.length)
