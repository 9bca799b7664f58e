"""A body that is heated by losses and cooled by its surroundings: the first-order thermal model of a winding."""

import numpy as np
from numpy.typing import NDArray


class Winding:
    """C dT/dt = P - (T - T_ambient) / R, with the losses P given in kelvin of rise at the healthy R.

    So in the steady state of a healthy motor, T = ambient + losses; `time_constant_seconds` is R C. Hindered cooling
    multiplies R, which raises the final temperature and slows the approach to it by the same factor.
    """

    def __init__(self, ambient_celsius: float, rise_kelvin: float, time_constant_seconds: float) -> None:
        self._ambient = ambient_celsius
        self._rise = rise_kelvin  # above ambient
        self._time_constant = time_constant_seconds

    def advance(
        self, losses_kelvin: NDArray[np.float64], resistance_factor: NDArray[np.float64], period_seconds: float
    ) -> NDArray[np.float64]:
        """Return the temperature in degC: float64 [n].

        losses_kelvin: float64 [n]. resistance_factor: float64 [n], by which the thermal resistance has grown.

        Solved by the integrating factor exp(∫ dt / (R C)), exactly but for the rectangle rule; n samples must be short
        beside the time constant, or the factor overflows.
        """
        cooled = np.cumsum(period_seconds / (self._time_constant * resistance_factor))
        heated = np.cumsum(losses_kelvin * np.exp(cooled)) * (period_seconds / self._time_constant)
        rise = (self._rise + heated) * np.exp(-cooled)
        self._rise = float(rise[-1])
        return np.asarray(self._ambient + rise)
