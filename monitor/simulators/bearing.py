"""A rolling bearing: how often its balls strike a damaged race, and how the housing rings when they do.

After Randall & Antoni, "Rolling element bearing diagnostics: a tutorial", Mech. Syst. Signal Process. 25 (2011) 485.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter


@dataclass(frozen=True, slots=True)
class BearingGeometry:
    """Ball diameter and pitch diameter in mm, contact angle in radians."""

    balls: int
    ball_mm: float
    pitch_mm: float
    contact_angle: float = 0.0

    @property
    def bpfo_per_turn(self) -> float:
        """Balls that pass a point of the outer race per turn of the shaft (BPFO / shaft frequency)."""
        return self.balls / 2 * (1 - self.ball_mm / self.pitch_mm * math.cos(self.contact_angle))

    @property
    def bpfi_per_turn(self) -> float:
        """Balls that pass a point of the inner race per turn of the shaft (BPFI / shaft frequency)."""
        return self.balls / 2 * (1 + self.ball_mm / self.pitch_mm * math.cos(self.contact_angle))


DEEP_GROOVE_6205 = BearingGeometry(balls=9, ball_mm=7.94, pitch_mm=39.04)


class Impacts:
    """Impacts of balls on a defect, each of which makes the housing ring like a damped oscillator.

    The balls slip: the turn between two impacts varies at random by one percent, so that the impacts are not quite
    periodic, as in every real bearing.
    """

    _SLIP = 0.01
    _STRENGTH_SPREAD = 0.1

    def __init__(
        self,
        impacts_per_turn: float,
        resonance_hz: float,
        damping_ratio: float,
        sample_rate_hz: float,
        rng: np.random.Generator,
    ) -> None:
        natural = 2 * math.pi * resonance_hz
        damped = natural * math.sqrt(1 - damping_ratio**2)
        self._per_turn = impacts_per_turn
        self._decay_per_sample = (-damping_ratio * natural + 1j * damped) / sample_rate_hz
        self._rng = rng
        self._ringing = np.zeros(1, dtype=np.complex128)
        self._passed = 0.0  # ball passages so far, up to the last sample
        self._next = rng.uniform()  # the passage at which the next impact happens

    def advance(self, turns: NDArray[np.float64], strength: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the housing's vibration: float64 [n].

        turns: float64 [n], how far the shaft has turned since it started. strength: float64 [n], the peak of an impact.
        """
        passages = np.concatenate(([self._passed], self._per_turn * turns))
        self._passed = float(passages[-1])
        struck = []
        while self._next <= self._passed:
            struck.append(self._next)
            self._next += 1 + self._SLIP * self._rng.standard_normal()
        blow = np.zeros(len(turns), dtype=np.complex128)
        if struck:
            # a blow between two samples starts its ringing there: the first sample sees it already decayed by `late`
            position = np.interp(struck, passages, np.arange(-1.0, len(turns)))
            first = np.ceil(position).astype(np.int64).clip(0)
            late = first - position
            spread = 1 + self._STRENGTH_SPREAD * self._rng.standard_normal(len(struck))
            np.add.at(blow, first, strength[first] * spread * np.exp(self._decay_per_sample * late))
        ringing, self._ringing = lfilter([1.0], [1.0, -np.exp(self._decay_per_sample)], blow, zi=self._ringing)
        # the derivative of the displacement Im(e^(decay t)): a shaken housing has no constant part
        return np.asarray(ringing * (self._decay_per_sample / abs(self._decay_per_sample))).imag
