"""A heart's rhythm: when it beats, and which beats come from the wrong place.

Healthy RR intervals have the two peaks of heart-rate variability in their spectrum: at 0.1 Hz (LF, Mayer waves of
blood pressure) and at the breathing frequency (HF), as in McSharry et al., IEEE Trans. Biomed. Eng. 50 (2003) 289.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

LF_HZ = 0.1
BAND_WIDTH_HZ = 0.01  # standard deviation of either peak
_SINUSOIDS_PER_BAND = 48
_SHORTEST_RR_SECONDS, _LONGEST_RR_SECONDS = 0.3, 2.0
_COUPLING = (0.55, 0.68)  # of the RR interval, from a beat to the premature one after it


class Beat(NamedTuple):
    """One beat: when its R wave peaks, the sinus rhythm's RR interval at the time, and where it comes from."""

    time_seconds: float
    rr_seconds: float
    ventricular: bool

    @property
    def omega(self) -> float:
        """The angular velocity around the circle of the model, in radians per second."""
        return 2 * math.pi / self.rr_seconds


class SinusRhythm:
    """RR intervals as a stationary process whose spectrum is two Gaussian peaks.

    It is a sum of sinusoids with random phases whose frequencies are drawn from the spectrum (the spectral
    representation of Shinozuka & Deodatis, Appl. Mech. Rev. 44 (1991) 191): it needs no block length, so it never ends
    and never repeats.
    """

    def __init__(
        self, mean_rr_seconds: float, std_rr_seconds: float, lf_hf_ratio: float, hf_hz: float, rng: np.random.Generator
    ) -> None:
        self._mean = mean_rr_seconds
        variance = std_rr_seconds**2 * np.array([lf_hf_ratio, 1.0]) / (1 + lf_hf_ratio)
        self._amplitude = np.repeat(np.sqrt(2 * variance / _SINUSOIDS_PER_BAND), _SINUSOIDS_PER_BAND)
        centre_hz = np.repeat([LF_HZ, hf_hz], _SINUSOIDS_PER_BAND)
        self._radians_per_second = 2 * math.pi * rng.normal(centre_hz, BAND_WIDTH_HZ)
        self._phase = rng.uniform(0, 2 * math.pi, 2 * _SINUSOIDS_PER_BAND)

    def rr_seconds(self, time_seconds: float) -> float:
        """Return the RR interval at a time."""
        wave = self._amplitude @ np.cos(self._radians_per_second * time_seconds + self._phase)
        return min(max(self._mean + float(wave), _SHORTEST_RR_SECONDS), _LONGEST_RR_SECONDS)


class Heart:
    """The sequence of beats. `ectopy(time_seconds)` is the probability that a ventricular beat follows a sinus beat.

    A premature ventricular beat does not reset the sinus node: the next sinus beat finds the ventricles refractory and
    fails, the one after it comes when it would have come anyway. Hence the compensatory pause.
    """

    def __init__(self, rhythm: SinusRhythm, ectopy: Callable[[float], float], rng: np.random.Generator) -> None:
        self._rhythm = rhythm
        self._ectopy = ectopy
        self._rng = rng
        first = rhythm.rr_seconds(0.0)
        self._sinus = Beat(rng.uniform(0, first), first, ventricular=False)  # the next sinus beat

    def beats_until(self, time_seconds: float) -> list[Beat]:
        """Return the beats since the last call, in order; the last is the first after `time_seconds` (or a pair)."""
        beats: list[Beat] = []
        while not beats or beats[-1].time_seconds <= time_seconds:
            sinus = self._sinus
            beats.append(sinus)
            # each beat takes its own RR interval, half before and half after its R wave
            following = self._rhythm.rr_seconds(sinus.time_seconds + sinus.rr_seconds)
            interval = (sinus.rr_seconds + following) / 2
            coupling = self._rng.uniform(*_COUPLING)
            if self._rng.uniform() < self._ectopy(sinus.time_seconds):
                beats.append(Beat(sinus.time_seconds + coupling * interval, sinus.rr_seconds, ventricular=True))
                interval += following
            self._sinus = Beat(sinus.time_seconds + interval, following, ventricular=False)
        return beats
