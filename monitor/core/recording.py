"""Recordings: files by the dataset contract, as arrays.

The contract (see README, "Data files"):

* CSV: a header, a `time` column (ISO 8601 or epoch seconds), one column per channel, optionally `label` (1 = anomaly).
* NPZ of samples: `samples [n, C]`, `channels [C]`, `sample_rate_hz` or `time [n]`, optionally `labels [n]` and
  `segment [n]` (an integer that changes where a recording breaks).
* NPZ of windows: `windows [N, C, L]`, `channels`, optionally `labels [N]`.

This module owns those rules. It parses bytes; who has a path opens the file.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


class RecordingError(ValueError):
    """The file does not keep the dataset contract; the text says what is wrong and what would be right."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One stream, recorded.

    samples: float32 [n, C]; time_seconds: float64 [n], strictly what the file says (epoch seconds, or seconds from 0
    when the file has only a rate); labels: int8 [n], 1 = anomaly, or None; segment: int64 [n], changes at a break.
    """

    name: str
    channels: tuple[str, ...]
    samples: NDArray[np.float32]
    time_seconds: NDArray[np.float64]
    sample_period_seconds: float
    labels: NDArray[np.int8] | None
    segment: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class WindowSet:
    """Windows somebody else has cut: float32 [N, C, L], labels int8 [N] or None. There is no time in them."""

    name: str
    channels: tuple[str, ...]
    windows: NDArray[np.float32]
    labels: NDArray[np.int8] | None


def parse_recording(file_name: str, data: bytes) -> Recording | WindowSet:
    """Parse a file by its suffix (`.csv`, `.npz`).

    Raises:
        RecordingError: the content breaks the contract.

    """
    raise NotImplementedError
