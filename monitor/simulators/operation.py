"""How a motor is run: the line frequency that its supply gives it and the load on its shaft, over time."""

import numpy as np
from numpy.typing import NDArray

from monitor.simulators.catalogue import Profile
from monitor.simulators.noise import OrnsteinUhlenbeck

RATED_LINE_HZ = 50.0


# the mean of load squared, which says how warm the motor runs in the long term
MEAN_SQUARE_LOAD = {Profile.STEADY: 0.75**2, Profile.LOAD_STEPS: 0.52, Profile.VARIABLE_SPEED: 0.375}


class Operation:
    """Line frequency and load, sample after sample: plateaus joined by ramps, with a slow wander on top."""

    _DWELL_SECONDS = (5.0, 20.0)
    _LOAD_STEP_SECONDS = 0.3
    _RAMP_HZ_PER_SECOND = 5.0

    def __init__(self, profile: Profile, rng: np.random.Generator, sample_rate_hz: float) -> None:
        self._profile = profile
        self._rng = rng
        grid, shaft = rng.spawn(2)
        # the European grid wanders by some 20 mHz within minutes; a driven machine's torque by a percent within seconds
        self._grid_wander = OrnsteinUhlenbeck(grid, 60.0, 0.02, sample_rate_hz)
        self._load_wander = OrnsteinUhlenbeck(shaft, 2.0, 0.01, sample_rate_hz)
        line_hz, load = self._set_point()
        self._knots = [(0.0, line_hz, load)]
        self._hold_plateau()

    def _set_point(self) -> tuple[float, float]:
        """Choose the next line frequency (Hz) and load (1 = rated)."""
        if self._profile is Profile.STEADY:
            return RATED_LINE_HZ, 0.75
        if self._profile is Profile.LOAD_STEPS:
            return RATED_LINE_HZ, self._rng.uniform(0.4, 1.0)
        line_hz = self._rng.uniform(30.0, RATED_LINE_HZ)
        return line_hz, (line_hz / RATED_LINE_HZ) ** 2 * self._rng.uniform(0.8, 1.0)

    def _hold_plateau(self) -> None:
        at_seconds, line_hz, load = self._knots[-1]
        self._knots.append((at_seconds + self._rng.uniform(*self._DWELL_SECONDS), line_hz, load))

    def advance(self, time_seconds: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return line frequency in Hz and load (1 = rated), float64 [n] each.

        time_seconds: float64 [n], which follow the last call's.
        """
        while self._knots[-1][0] <= time_seconds[-1]:
            at_seconds, was_hz, _ = self._knots[-1]
            line_hz, load = self._set_point()
            ramp_seconds = max(self._LOAD_STEP_SECONDS, abs(line_hz - was_hz) / self._RAMP_HZ_PER_SECOND)
            self._knots.append((at_seconds + ramp_seconds, line_hz, load))
            self._hold_plateau()
        while len(self._knots) > 2 and self._knots[1][0] < time_seconds[0]:
            del self._knots[0]
        knot_seconds, knot_hz, knot_load = zip(*self._knots, strict=True)
        line_hz = np.interp(time_seconds, knot_seconds, knot_hz) + self._grid_wander.take(len(time_seconds))
        load = np.interp(time_seconds, knot_seconds, knot_load) + self._load_wander.take(len(time_seconds))
        return line_hz, np.maximum(load, 0.0)
