"""The streams of one model group: who they are, and the last that was found about each, in arrays by stream number."""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from monitor.core.values.columns import Columns, column


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


class StreamTable(Columns):
    """Numbers for names. A number that was given back is used again.

    windows_scored, windows_anomalous, alerts_fired: int64 [S]; error, score: float32 [S] and channel_error float32
    [S, C] of the last scored window (NaN before, and where a channel was masked); quality: int8 [S], index into
    `QUALITIES`; masked: bool [S, C], channels of the last window that could not be trusted; state: int8 [S],
    `StreamState`; end_seconds: float64 [S], event time of the last window (NaN before).

    gave_window: bool [S], whether any window was complete, judged or not. conflicts: int64 [S], messages refused since
    the stream belongs to other topics.

    alerts_fired and conflicts begin at 0 in each process: a count out of a checkpoint would be smaller than what
    Prometheus last read before a crash, which `increase()` takes for a counter that began anew, and adds all of it.
    """

    windows_scored: NDArray[np.int64] = column("windows_scored", np.int64)
    windows_anomalous: NDArray[np.int64] = column("windows_anomalous", np.int64)
    alerts_fired: NDArray[np.int64] = column(None, np.int64)
    error: NDArray[np.float32] = column("error", np.float32, np.nan)
    score: NDArray[np.float32] = column("score", np.float32, np.nan)
    channel_error: NDArray[np.float32] = column("channel_error", np.float32, np.nan, shape=("channels",))
    quality: NDArray[np.int8] = column("quality", np.int8)
    # kept by name, so that states of versions without it are read: see `kept_state.py`
    masked: NDArray[np.bool_] = column(None, np.bool_, shape=("channels",))
    state: NDArray[np.int8] = column("state", np.int8)
    end_seconds: NDArray[np.float64] = column("end_seconds", np.float64, np.nan)
    gave_window: NDArray[np.bool_] = column(None, np.bool_)
    conflicts: NDArray[np.int64] = column(None, np.int64)

    def __init__(self, channels: int) -> None:
        super().__init__(channels=channels)
        self.number: dict[str, int] = {}
        self.names: list[str | None] = []
        self.labels: dict[str, dict[str, str]] = {}
        self.display_names: dict[str, str] = {}  # how topics and payloads call the streams
        self._free: list[int] = []

    def __len__(self) -> int:
        """How many streams there are."""
        return len(self.number)

    @property
    def next_number(self) -> int:
        """The number that the next stream gets."""
        return self._free[-1] if self._free else len(self.names)

    def open(self, name: str, labels: dict[str, str], display_name: str | None = None) -> int:
        """Give a new stream the next number and a clean row. display_name: None where it is the name."""
        number = self.next_number
        if number == len(self.names):
            self.names.append(None)
        else:
            self._free.pop()
        self.ensure_capacity(number + 1)
        self.reset(number)
        self.names[number] = name
        self.labels[name] = labels
        self.display_names[name] = name if display_name is None else display_name
        self.number[name] = number  # last: another thread may read the row as soon as it finds the name
        return number

    def close(self, name: str) -> int:
        """Give the stream's number back."""
        number = self.number.pop(name)
        self.names = self.names.copy()  # who holds the list goes on with the names of that time
        self.names[number] = None
        del self.labels[name], self.display_names[name]
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
