"""A fault: what goes wrong, when, how badly and how quickly. What it does to the signal is each simulator's affair."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault of one device, in simulated seconds from the start.

    From `onset_seconds` the severity climbs linearly over `ramp_seconds` to `severity` (0 < severity <= 1) and stays
    until `end_seconds`. `channel` says which sensor a sensor fault concerns.

    Raises:
        ValueError: a number is out of its range; the message says which.

    """

    name: str
    onset_seconds: float = 0.0
    severity: float = 0.6
    ramp_seconds: float = 0.0
    end_seconds: float = math.inf
    channel: str | None = None

    def __post_init__(self) -> None:
        if not 0 < self.severity <= 1:
            raise ValueError(f"the severity of {self.name} must be above 0 and at most 1, not {self.severity}")
        if not 0 <= self.onset_seconds < math.inf:
            raise ValueError(f"{self.name} must begin at 0 s or later, not at {self.onset_seconds} s")
        if not 0 <= self.ramp_seconds < math.inf:
            raise ValueError(f"{self.name} cannot take {self.ramp_seconds} s to develop")
        if not self.end_seconds > self.onset_seconds:
            raise ValueError(f"{self.name} ends at {self.end_seconds} s, before it begins at {self.onset_seconds} s")

    def active(self, time_seconds: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether the fault is there: bool [n]. time_seconds: float64 [n]."""
        return (time_seconds >= self.onset_seconds) & (time_seconds < self.end_seconds)

    def severity_at(self, time_seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        """How bad it is: float64 [n], 0 while it is not there. time_seconds: float64 [n]."""
        if self.ramp_seconds > 0:
            grown = np.minimum((time_seconds - self.onset_seconds) / self.ramp_seconds, 1.0)
        else:
            grown = np.ones_like(time_seconds)
        return np.where(self.active(time_seconds), self.severity * grown, 0.0)


@dataclass(frozen=True, slots=True)
class Episode:
    """A stretch of time during which a fault showed, in simulated seconds; the end is exclusive."""

    fault: str
    start_seconds: float
    end_seconds: float
