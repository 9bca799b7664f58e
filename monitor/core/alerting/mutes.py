"""Mutes: which streams of one model group raise no alert for now, and until when (wall clock).

They are kept by name, because a machine that is switched off for its maintenance is silent for long, its stream
forgotten, and still muted when it comes back. By number they are kept as well, to be compared with whole batches.
"""

import numpy as np
from numpy.typing import NDArray

from monitor.core.values.columns import Columns, column


class Mutes(Columns):
    """The muted streams of one model group."""

    _by_number: NDArray[np.float64] = column(None, np.float64)  # epoch seconds, 0 for a stream that is not muted

    def __init__(self) -> None:
        super().__init__()
        self._until: dict[str, float] = {}  # stream -> epoch seconds

    def __len__(self) -> int:
        """How many streams are muted, those among them that are forgotten meanwhile included."""
        return len(self._until)

    def __contains__(self, stream: str) -> bool:
        """Whether a stream of this name is muted."""
        return stream in self._until

    def until(self, stream: str) -> float | None:
        """When the mute of a stream ends, epoch seconds; None where it is not muted."""
        return self._until.get(stream)

    def open_stream(self, stream: str, number: int) -> None:
        """Make room for a stream under this number; it may be muted since before it was forgotten."""
        self.ensure_capacity(number + 1)
        self._by_number[number] = self._until.get(stream, 0.0)

    def put(self, stream: str, number: int | None, until_seconds: float) -> None:
        """Mute a stream; 0 ends it. number: None while it is forgotten."""
        if until_seconds:
            self._until[stream] = until_seconds
        else:
            self._until.pop(stream, None)
        if number is not None:
            self._by_number[number] = until_seconds

    def held(self, number: NDArray[np.int64], arrival_seconds: NDArray[np.float64]) -> NDArray[np.bool_] | None:
        """Which of B windows raise no alert: bool [B]; None: no stream is muted.

        number: int64 [B], of the stream. arrival_seconds: float64 [B], wall clock. Arrival, and not the time of
        scoring, because it is the same when a new process walks through them again.
        """
        return arrival_seconds < self._by_number[number] if self._until else None

    def over(self, now_seconds: float) -> list[str]:
        """The streams whose mute has come to its end."""
        return [stream for stream, until in self._until.items() if until <= now_seconds]

    def leap(self, seconds: float) -> None:
        """Our clock leapt by so much: a mute is a length of time, so its end leaps along."""
        self._until = {stream: until + seconds for stream, until in self._until.items()}
        self._by_number[self._by_number > 0] += seconds

    def bound(self, until_seconds: float) -> None:
        """End all of them then at the latest: the clock may have been set back while nobody looked."""
        self._until = {stream: min(until, until_seconds) for stream, until in self._until.items()}
        np.minimum(self._by_number, until_seconds, out=self._by_number)

    def ends(self) -> dict[str, float]:
        """When each mute ends, by stream, to be kept."""
        return dict(self._until)

    def put_ends(self, ends: dict[str, float]) -> None:
        """Go on with these mutes. No stream is open yet."""
        self._until = dict(ends)
