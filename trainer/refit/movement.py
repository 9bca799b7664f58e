"""Movement: how far the normal data of streams have moved away from the anchor's, over all refits together.

Data alone cannot tell wear from a fault that grows slowly. So there is a bound, channel by channel and in the units of
the sensors: what has moved less is learnt unasked, what has moved further waits for a person. What most streams of a
model do together (a season, another product) is told apart from what one of them does alone, and has a wider bound: a
fault is of one machine.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.config.refit_bounds import RefitBounds
from monitor.core.artifact.data_levels import DataLevels
from monitor.core.artifact.manifest import ChannelSpec

# To tell what streams share takes so many: of four, two that are faulty would be half.
ENOUGH_STREAMS = 5

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Moved:
    """How far one channel of one stream has moved from its anchor. Centres and scales are in `unit`.

    shared_centre, shared_factor: what most streams do together, of the centre (in `unit`) and of the scale (a factor).
    centre_bound, factor_bound: how far the rest of it may go.
    """

    stream: str
    channel: str
    unit: str
    anchor: tuple[float, float]
    now: tuple[float, float]
    shared_centre: float
    shared_factor: float
    centre_bound: float
    factor_bound: float

    @property
    def centre(self) -> float:
        """By how much the centre moved beside what is shared, in `unit`."""
        return self.now[0] - self.anchor[0] - self.shared_centre

    @property
    def factor(self) -> float:
        """How many times as large the scale became, beside what is shared."""
        return self.now[1] / self.anchor[1] / self.shared_factor

    @property
    def extent(self) -> float:
        """How much of its bounds the movement uses up; above 1 it lies beyond one of them."""
        return max(abs(self.centre) / self.centre_bound, abs(math.log(self.factor)) / math.log(self.factor_bound))

    @property
    def text(self) -> str:
        """What moved, in words."""
        unit = f" {self.unit}" if self.unit else ""
        by_centre = abs(self.centre) / self.centre_bound >= abs(math.log(self.factor)) / math.log(self.factor_bound)
        where = f"{self.stream} {self.channel}"
        if by_centre:
            return (
                f"{where} lies around {self.now[0]:.4g}{unit}, {self.anchor[0]:.4g} when it was anchored: it moved by "
                f"{self.centre:+.3g}{unit} of its own, {self.centre_bound:.3g} may be learnt unasked"
            )
        return (
            f"{where} varies by {self.now[1]:.4g}{unit}, {self.anchor[1]:.4g} when it was anchored: {self.factor:.3g} "
            f"times as much by itself, {self.factor_bound:.3g} times may be learnt unasked"
        )


@dataclass(frozen=True, slots=True)
class Movement:
    """What moved of all streams of a model that the anchor has seen.

    each: by stream and channel. shared: per channel, how far most streams moved together, in scales of the anchor's
    data; 0 where they are too few to tell. shared_bound: how far they may.
    """

    each: tuple[Moved, ...]
    shared: dict[str, float]
    shared_bound: float

    @property
    def beyond(self) -> frozenset[str]:
        """The streams that moved beyond their bounds."""
        return frozenset(moved.stream for moved in self.each if moved.extent > 1)

    @property
    def furthest(self) -> Moved | None:
        """What moved furthest, measured by its bound."""
        return max(self.each, key=lambda moved: moved.extent, default=None)

    def furthest_of(self, stream: str) -> Moved | None:
        """Likewise, of one stream."""
        return max(
            (moved for moved in self.each if moved.stream == stream), key=lambda moved: moved.extent, default=None
        )


def movement(
    channels: Sequence[ChannelSpec],
    scale_floor: Sequence[float],
    anchor: Mapping[str, DataLevels],
    now: Mapping[str, DataLevels],
    bounds: RefitBounds,
) -> Movement:
    """Compare where the normal data of streams lie with where they lay.

    scale_floor: per channel, what a channel that hardly moves is taken to vary by, in its unit. anchor, now: levels by
    stream; streams that are not in both are left aside. Derived channels are, too.
    """
    streams = sorted(anchor.keys() & now.keys())
    measured = [number for number, channel in enumerate(channels) if not channel.derived]
    floor = np.asarray(scale_floor, np.float64)
    before = np.array([anchor[stream].centre for stream in streams]).reshape(-1, len(channels))
    after = np.array([now[stream].centre for stream in streams]).reshape(-1, len(channels))
    varied = np.maximum(np.array([anchor[stream].scale for stream in streams]).reshape(-1, len(channels)), floor)
    varies = np.maximum(np.array([now[stream].scale for stream in streams]).reshape(-1, len(channels)), floor)
    shift, growth = (after - before) / varied, np.log(varies / varied)
    shared, shared_growth = (_shared(each, len(channels)) for each in (shift, growth))
    in_units = {bound.name: bound.centre for bound in bounds.channel}
    each = tuple(
        Moved(
            stream=stream,
            channel=channels[at].name,
            unit=channels[at].unit,
            anchor=(float(before[row, at]), float(varied[row, at])),
            now=(float(after[row, at]), float(varies[row, at])),
            shared_centre=float(shared[at] * varied[row, at]),
            shared_factor=float(np.exp(shared_growth[at])),
            centre_bound=in_units.get(channels[at].name, bounds.centre * float(varied[row, at])),
            factor_bound=bounds.scale,
        )
        for row, stream in enumerate(streams)
        for at in measured
    )
    return Movement(each, {channels[at].name: float(shared[at]) for at in measured}, bounds.shared_centre)


def _shared(moved: Floats, channels: int) -> Floats:
    """What most of S streams do together: the median [C] of what each does, [S, C]."""
    return np.median(moved, axis=0) if len(moved) >= ENOUGH_STREAMS else np.zeros(channels)
