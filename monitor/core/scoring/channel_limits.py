"""Channel limits: what a channel's samples can be without being the sensor's fault."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.core.artifact.manifest import ChannelSpec
from monitor.core.values.float32 import to_float32

# What is so many times the least scale of its channel away from zero is no measurement but a bit that fell over or a
# placeholder (1e30), and float32 could soon not hold its square. Normal samples stay below 1e8 of these units: a
# channel that varies less than float32 can tell is scaled by its level.
_LARGEST_SCALES = 1e12


@dataclass(frozen=True, slots=True)
class ChannelLimits:
    """Limits of C channels, as float32 as the samples are, or a sensor that reads exactly its limit may seem beyond it.

    lowest, highest: float32 [C]. largest: float32 [C], beyond which a sample counts as no number. must_move: bool [C],
    channels that never stood still for a window in normal data.
    """

    lowest: NDArray[np.float32]
    highest: NDArray[np.float32]
    largest: NDArray[np.float32]
    must_move: NDArray[np.bool_]

    @classmethod
    def of(cls, channels: Sequence[ChannelSpec], scale_floor: Sequence[float] | None = None) -> "ChannelLimits":
        """The limits of channels. scale_floor: the least scale of each, where it is known."""
        most = float(np.finfo(np.float32).max)
        largest = [most] * len(channels) if scale_floor is None else [_LARGEST_SCALES * one for one in scale_floor]
        return cls(
            to_float32(np.array([-np.inf if spec.low is None else spec.low for spec in channels])),
            to_float32(np.array([np.inf if spec.high is None else spec.high for spec in channels])),
            to_float32(np.minimum(largest, most)),
            np.array([not spec.may_rest for spec in channels]),
        )
