"""The micro-batch: windows wait here until a batch is full or the oldest has waited long enough."""

from monitor.core.windows.stream_windows import WindowBatch


class MicroBatch:
    """Windows of one model group on their way to the scorer."""

    def __init__(self, max_windows: int, max_delay_seconds: float) -> None:
        self.max_windows = max_windows
        self.max_delay_seconds = max_delay_seconds
        self._waiting: list[WindowBatch] = []
        self._count = 0
        self._deadline_seconds = float("inf")

    def add(self, batch: WindowBatch, now_seconds: float, waited_seconds: float = 0.0) -> None:
        """Let windows wait, which have waited for so long elsewhere. The clock is monotonic.

        At most half of the delay is taken for waited elsewhere: what comes late in a backlog should still fill batches.
        """
        if not self._waiting:
            waited_seconds = min(max(waited_seconds, 0.0), self.max_delay_seconds / 2)
            self._deadline_seconds = now_seconds + self.max_delay_seconds - waited_seconds
        self._waiting.append(batch)
        self._count += len(batch)

    @property
    def deadline_seconds(self) -> float:
        """When the oldest window has waited long enough (infinity when none waits)."""
        return self._deadline_seconds

    def take(self, now_seconds: float, *, everything: bool = False) -> WindowBatch | None:
        """The windows that are ready to score, in order; None if there are none.

        Full batches always, as many as there are; the rest when its deadline has come, or `everything` is wanted.
        """
        due = everything or now_seconds >= self._deadline_seconds
        if not self._waiting or (self._count < self.max_windows and not due):
            return None
        joined = WindowBatch.join(self._waiting)
        stop = self._count if due else self._count - self._count % self.max_windows
        rest = joined.select(slice(stop, None))
        self._waiting, self._count = ([rest], len(rest)) if len(rest) else ([], 0)
        if not self._waiting:
            self._deadline_seconds = float("inf")
        return joined.select(slice(stop))
