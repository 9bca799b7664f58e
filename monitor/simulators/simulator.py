"""What all simulators share: blocks of any size out of frames of a fixed one.

A simulator computes its signal in frames of a fixed length and carries its state (phases, filters, random generators)
from one to the next. `take` cuts blocks out of the frames. So the samples do not depend on how they are asked for.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from monitor.core.dataset.recording import Recording
from monitor.simulators.catalogue import Kind
from monitor.simulators.fault import Episode, Fault

_MOST_FAULTS = 8  # one bit each


@dataclass(frozen=True, slots=True)
class SimulatedBlock:
    """Consecutive samples of one device, with the truth about them.

    first_sample: counts from the start of the simulation. values: float32 [n, C]; NaN is a sample that the sensor did
    not deliver. faults: uint8 [n], bit i is set where the simulator's i-th fault shows.
    """

    first_sample: int
    values: NDArray[np.float32]
    faults: NDArray[np.uint8]

    @property
    def labels(self) -> NDArray[np.int8]:
        """int8 [n], 1 = anomaly."""
        return np.not_equal(self.faults, 0).astype(np.int8)


class Simulator(ABC):
    """One device. `faults` are the faults that it will suffer, in the order of their bits."""

    kind: ClassVar[Kind]
    frame_seconds: ClassVar[float] = 1.0

    def __init__(self, sample_rate_hz: float, faults: Sequence[Fault]) -> None:
        unknown = [fault.name for fault in faults if fault.name not in self.kind.faults]
        if unknown:
            raise ValueError(f"there is no fault {unknown[0]!r}; the faults are: {', '.join(self.kind.faults)}")
        if len(faults) > _MOST_FAULTS:
            raise ValueError(f"a device can suffer at most {_MOST_FAULTS} faults, not {len(faults)}")
        self.sample_rate_hz = sample_rate_hz
        self.faults = tuple(faults)
        self._frame_samples = round(self.frame_seconds * sample_rate_hz)
        self._frames = 0
        self._taken = 0
        self._values = np.empty((0, len(self.kind.channels)), dtype=np.float32)  # computed but not yet taken
        self._mask = np.empty(0, dtype=np.uint8)

    @abstractmethod
    def _frame(self, time_seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Compute the next frame, float64 [F, C], for the given sample times [F]."""

    def _severity(self, name: str, time_seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Add up the severity of all faults of this name: [n], at most 1."""
        severity = np.zeros_like(time_seconds)
        for fault in self.faults:
            if fault.name == name:
                severity += fault.severity_at(time_seconds)
        return np.minimum(severity, 1.0)

    def _faults_shown(self, time_seconds: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Which faults show in the frame just computed: uint8 [F], one bit per fault."""
        mask = np.zeros(len(time_seconds), dtype=np.uint8)
        for bit, fault in enumerate(self.faults):
            mask |= fault.active(time_seconds).astype(np.uint8) << bit
        return mask

    def take(self, samples: int) -> SimulatedBlock:
        """Continue the simulation by `samples` samples."""
        values, mask, ready = [self._values], [self._mask], len(self._values)
        while ready < samples:
            first = self._frames * self._frame_samples
            time_seconds = np.arange(first, first + self._frame_samples) / self.sample_rate_hz
            values.append(self._frame(time_seconds).astype(np.float32))
            mask.append(self._faults_shown(time_seconds))
            self._frames += 1
            ready += self._frame_samples
        all_values, all_mask = np.concatenate(values), np.concatenate(mask)
        self._values, self._mask = all_values[samples:], all_mask[samples:]
        block = SimulatedBlock(self._taken, all_values[:samples], all_mask[:samples])
        self._taken += samples
        return block

    def record(
        self, duration_seconds: float, name: str, on_samples: Callable[[int], object] = lambda _: None
    ) -> tuple[Recording, tuple[Episode, ...]]:
        """Record the next `duration_seconds`, labelled, with the faults' episodes. Time starts at 0.

        on_samples is told how many more samples are done, for a progress bar.
        """
        total = round(duration_seconds * self.sample_rate_hz)
        values = np.empty((total, len(self.kind.channels)), dtype=np.float32)
        mask = np.empty(total, dtype=np.uint8)
        for start in range(0, total, self._frame_samples):
            block = self.take(min(self._frame_samples, total - start))
            values[start : start + len(block.values)] = block.values
            mask[start : start + len(block.values)] = block.faults
            on_samples(len(block.values))
        recording = Recording(
            name=name,
            channels=self.kind.channels,
            samples=values,
            time_seconds=np.arange(total) / self.sample_rate_hz,
            sample_period_seconds=1 / self.sample_rate_hz,
            labels=(mask != 0).astype(np.int8),
            segment=np.zeros(total, dtype=np.int64),
        )
        return recording, self._episodes(mask)

    def _episodes(self, mask: NDArray[np.uint8]) -> tuple[Episode, ...]:
        found = []
        for bit, fault in enumerate(self.faults):
            shows = np.concatenate(([0], (mask >> bit) & 1, [0])).astype(np.int8)
            starts, ends = np.flatnonzero(np.diff(shows) == 1), np.flatnonzero(np.diff(shows) == -1)
            found += [
                Episode(fault.name, start / self.sample_rate_hz, end / self.sample_rate_hz)
                for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
            ]
        return tuple(sorted(found, key=lambda episode: episode.start_seconds))
