"""How long to wait before the next attempt."""

from random import Random


class Backoff:
    """Exponential back-off with full jitter and a ceiling.

    Full jitter (uniform between nothing and the bound) spreads a model group of clients best after a broker's restart:
    M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.

    attempts: how many have failed before; the bound is doubled for each.
    """

    def __init__(self, base_seconds: float, ceiling_seconds: float, randomness: Random, attempts: int = 0) -> None:
        self._base_seconds = base_seconds
        self._ceiling_seconds = ceiling_seconds
        self._randomness = randomness
        self._bound_seconds = base_seconds
        for _ in range(attempts):
            if self._bound_seconds >= ceiling_seconds:
                break
            self._bound_seconds *= 2.0

    def next_seconds(self) -> float:
        """Return the next delay; the bound doubles with each, up to the ceiling."""
        delay_seconds = self._randomness.uniform(0.0, min(self._bound_seconds, self._ceiling_seconds))
        self._bound_seconds = min(2.0 * self._bound_seconds, self._ceiling_seconds)
        return delay_seconds

    def reset(self) -> None:
        """Start over: the last attempt held."""
        self._bound_seconds = self._base_seconds
