"""Randomness: named generators that do not disturb each other, and noise that carries its state from frame to frame."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter


def generator(seed: int, *key: int) -> np.random.Generator:
    """Make the generator for one purpose: its numbers depend on seed and key alone, not on other generators."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


class OrnsteinUhlenbeck:
    """Stationary noise with mean 0 that forgets exponentially: a slow wander when `time_constant_seconds` is long."""

    def __init__(
        self, rng: np.random.Generator, time_constant_seconds: float, standard_deviation: float, sample_rate_hz: float
    ) -> None:
        self._rng = rng
        self._keep = math.exp(-1 / (time_constant_seconds * sample_rate_hz))
        self._kick = standard_deviation * math.sqrt(1 - self._keep**2)
        self._state = np.array([self._keep * standard_deviation * rng.standard_normal()])

    def take(self, samples: int) -> NDArray[np.float64]:
        """Continue the noise: float64 [samples]."""
        kicks = self._kick * self._rng.standard_normal(samples)
        wander, self._state = lfilter([1.0], [1.0, -self._keep], kicks, zi=self._state)
        return np.asarray(wander)
