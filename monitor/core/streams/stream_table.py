"""The streams of one model group: who they are, and the last that was found about each, in arrays by stream number."""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from monitor.core.values.growable import grown
from monitor.core.values.snapshots import State, arrays_of, put_arrays

_COUNTED = ("windows_scored", "windows_anomalous", "quality", "state")  # 0 for a new stream
_MEASURED = ("error", "score", "channel_error", "end_seconds")  # not known for a new stream


class StreamState(IntEnum):
    """What a stream is in, as shown to people. An open alert outranks everything else."""

    WARMING_UP = 0  # no verdict yet: no window so far, or its normalization is still being learnt
    NORMAL = 1
    PENDING = 2
    FIRING = 3
    WITHHELD = 4  # the last window could not be trusted, or nothing comes any more

    @property
    def label(self) -> str:
        """As it appears in metrics and payloads."""
        return self.name.lower()


class StreamTable:
    """Numbers for names. A number that was given back is used again.

    windows_scored, windows_anomalous: int64 [S]; error, score: float32 [S] and channel_error float32 [S, C] of the last
    scored window (NaN before); quality: int8 [S], index into `QUALITIES`; state: int8 [S], `StreamState`; end_seconds:
    float64 [S], event time of the last window (NaN before).
    """

    def __init__(self, channels: int) -> None:
        self.number: dict[str, int] = {}
        self.names: list[str | None] = []
        self.labels: dict[str, dict[str, str]] = {}
        self.windows_scored: NDArray[np.int64] = np.zeros(0, np.int64)
        self.windows_anomalous: NDArray[np.int64] = np.zeros(0, np.int64)
        self.error: NDArray[np.float32] = np.zeros(0, np.float32)
        self.score: NDArray[np.float32] = np.zeros(0, np.float32)
        self.channel_error: NDArray[np.float32] = np.zeros((0, channels), np.float32)
        self.quality: NDArray[np.int8] = np.zeros(0, np.int8)
        self.state: NDArray[np.int8] = np.zeros(0, np.int8)
        self.end_seconds: NDArray[np.float64] = np.zeros(0)
        self._free: list[int] = []

    def __len__(self) -> int:
        """How many streams there are."""
        return len(self.number)

    @property
    def next_number(self) -> int:
        """The number that the next stream gets."""
        return self._free[-1] if self._free else len(self.names)

    def open(self, name: str, labels: dict[str, str]) -> int:
        """Give a new stream the next number and a clean row."""
        number = self.next_number
        if number == len(self.names):
            self.names.append(None)
        else:
            self._free.pop()
        for column in _COUNTED:
            setattr(self, column, grown(getattr(self, column), number + 1, 0))
            getattr(self, column)[number] = 0
        for column in _MEASURED:
            setattr(self, column, grown(getattr(self, column), number + 1, np.nan))
            getattr(self, column)[number] = np.nan
        self.names[number] = name
        self.labels[name] = labels
        self.number[name] = number  # last: another thread may read the row as soon as it finds the name
        return number

    def close(self, name: str) -> int:
        """Give the stream's number back."""
        number = self.number.pop(name)
        self.names[number] = None
        del self.labels[name]
        self._free.append(number)
        return number

    def numbers(self) -> NDArray[np.int64]:
        """The numbers in use: int64 [len(self)], ordered by when the streams appeared."""
        return np.fromiter(self.number.values(), np.int64, len(self.number))

    def name(self, number: int) -> str:
        """The name behind a number in use.

        Raises:
            KeyError: no stream has this number.

        """
        name = self.names[number]
        if name is None:
            raise KeyError(number)
        return name

    def snapshot(self) -> State:
        """Everything, to be kept."""
        return {
            "names": list(self.names),
            "order": list(self.number),
            "labels": {name: dict(labels) for name, labels in self.labels.items()},
            "free": list(self._free),
            **arrays_of(self, _COUNTED + _MEASURED),
        }

    def restore(self, state: State) -> None:
        """Be as the table was that gave this state."""
        put_arrays(self, _COUNTED + _MEASURED, state)
        self.names, self._free, self.labels = list(state["names"]), list(state["free"]), dict(state["labels"])
        numbers = {name: number for number, name in enumerate(self.names) if name is not None}
        self.number = {name: numbers[name] for name in state["order"]}
