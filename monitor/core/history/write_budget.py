"""The write budget: how many bytes may be written, as a rate with room for a burst."""

_BURST_SECONDS = 600.0


class WriteBudget:
    """So many bytes per second on average over ten minutes. left: how many may be written now; below 0: none."""

    def __init__(self, bytes_per_second: float, now_monotonic: float) -> None:
        self._bytes_per_second = bytes_per_second
        self._at = now_monotonic
        self.left = bytes_per_second * _BURST_SECONDS

    def refill(self, now_monotonic: float) -> None:
        """Count the time that has passed."""
        passed, self._at = now_monotonic - self._at, now_monotonic
        self.left = min(self.left + passed * self._bytes_per_second, self._bytes_per_second * _BURST_SECONDS)

    def spend(self, nbytes: float) -> None:
        """Count bytes that are written, or will be."""
        self.left -= nbytes
