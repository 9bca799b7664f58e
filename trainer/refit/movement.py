"""Movement: how far the normal data of streams have moved away from the anchor's, over all refits together.

Data alone cannot tell wear from a fault that grows slowly. So there is a bound, channel by channel and in the units of
the sensors: what has moved less is learnt unasked, what has moved further waits for a person. What most streams of a
model do together (a season, another product) is told apart from what one of them does alone, and has a wider bound: a
fault is of one machine.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.config.refit_bounds import RefitBounds
from monitor.core.artifact.data_levels import DataLevels
from monitor.core.artifact.manifest import ChannelSpec
from trainer.data.cutting import FileWindows

# To tell what streams share takes so many: of four, two that are faulty would be half.
ENOUGH_STREAMS = 5

# A stream of which there is less moves by chance alone.
LEAST_WINDOWS = 30
_WEEK_SECONDS = 7 * 86400.0

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

    def of(self, streams: Collection[str]) -> "Movement":
        """The same of some streams alone; what most streams did together stays what it is."""
        each = tuple(moved for moved in self.each if moved.stream in streams)
        return Movement(each, self.shared, self.shared_bound)

    def furthest_of(self, stream: str) -> Moved | None:
        """Likewise, of one stream."""
        return max(
            (moved for moved in self.each if moved.stream == stream), key=lambda moved: moved.extent, default=None
        )


@dataclass(frozen=True, slots=True)
class Reference:
    """Where the normal data of all streams lay when some of them were anchored.

    levels: by stream, of all that were fitted to then. anchored: the streams that are held to it. A stream that is
    anchored and not in `levels` has never been seen: it is held to the range of those that are.
    """

    levels: Mapping[str, DataLevels]
    anchored: frozenset[str]


@dataclass(frozen=True, slots=True)
class Newest:
    """Where the newest of a stream's normal windows lie, and until when (event time) there are any."""

    levels: DataLevels
    until_seconds: float


def newest_levels(piece: FileWindows) -> Newest | None:
    """Measure the newest of a stream's normal windows; None where they are too few to tell.

    The last quarter of them, and at least a week: machines run differently at weekends.
    """
    ends = piece.batch.end_seconds
    if len(ends) < LEAST_WINDOWS:
        return None
    newest = (np.arange(len(ends)) >= 0.75 * len(ends)) | (ends >= ends[-1] - _WEEK_SECONDS)
    return Newest(DataLevels.of(piece.batch.values[newest]), float(ends[-1]))


def movement(
    channels: Sequence[ChannelSpec],
    scale_floor: Sequence[float],
    references: Sequence[Reference],
    now: Mapping[str, Newest],
    bounds: RefitBounds,
) -> Movement:
    """Compare where the normal data of streams lie with where they lay.

    scale_floor: per channel, what a channel that hardly moves is taken to vary by, in its unit. Derived channels are
    left aside. What is shared is told by the reference with the most streams. A stream whose normal data end more than
    a week before the others' (its newest raised alerts) may have moved as far as any part of what is shared.
    """
    each: list[Moved] = []
    shared_by_most: dict[str, float] = {}
    for reference in sorted(references, key=lambda one: -len(one.levels)):
        compared = _Compared(channels, np.asarray(scale_floor, np.float64), reference, now)
        each += compared.moved(bounds)
        shared_by_most = shared_by_most or compared.shared_by_channel
    return Movement(tuple(each), shared_by_most, bounds.shared_centre)


class _Compared:
    """One reference, and the streams that are held to it."""

    def __init__(
        self, channels: Sequence[ChannelSpec], floor: Floats, reference: Reference, now: Mapping[str, Newest]
    ) -> None:
        self._channels, self._floor, self._reference, self._now = channels, floor, reference, now
        latest = max((one.until_seconds for one in now.values()), default=0.0)
        self._old = {stream for stream, one in now.items() if one.until_seconds < latest - _WEEK_SECONDS}
        self._measured = [number for number, channel in enumerate(channels) if not channel.derived]
        both = sorted(reference.levels.keys() & now.keys() - self._old)
        before = [self._of(reference.levels[stream]) for stream in both]
        after = [self._of(now[stream].levels) for stream in both]
        shift = np.array([(b[0] - a[0]) / a[1] for a, b in zip(before, after, strict=True)])
        growth = np.array([np.log(b[1] / a[1]) for a, b in zip(before, after, strict=True)])
        self._shared, self._shared_growth = (_shared(each, len(channels)) for each in (shift, growth))

    @property
    def shared_by_channel(self) -> dict[str, float]:
        """How far most streams moved together, by channel, in scales."""
        return {self._channels[at].name: float(self._shared[at]) for at in self._measured}

    def moved(self, bounds: RefitBounds) -> list[Moved]:
        """What moved of the streams that are held to the reference."""
        in_units = {bound.name: bound.centre for bound in bounds.channel}
        found = []
        for stream in sorted(self._reference.anchored & self._now.keys()):
            centre, scale = self._of(self._now[stream].levels)
            seen = stream in self._reference.levels
            if not seen and not self._reference.levels:
                continue
            was, varied = self._of(self._reference.levels[stream]) if seen else self._nearest(centre, scale)
            shared = self._shared if seen else np.zeros(len(was))
            if stream in self._old:
                shared = np.clip((centre - was) / varied, np.minimum(shared, 0), np.maximum(shared, 0))
            for at in self._measured:
                channel = self._channels[at]
                found.append(
                    Moved(
                        stream=stream,
                        channel=channel.name,
                        unit=channel.unit,
                        anchor=(float(was[at]), float(varied[at])),
                        now=(float(centre[at]), float(scale[at])),
                        shared_centre=float(shared[at] * varied[at]),
                        shared_factor=float(np.exp(self._shared_growth[at])) if seen else 1.0,
                        centre_bound=in_units.get(channel.name, bounds.centre * float(varied[at])),
                        factor_bound=bounds.scale,
                    )
                )
        return found

    def _of(self, levels: DataLevels) -> tuple[Floats, Floats]:
        return np.array(levels.centre), np.maximum(levels.scale, self._floor)

    def _nearest(self, centre: Floats, scale: Floats) -> tuple[Floats, Floats]:
        """The centre and scale [C] nearest to these within what was seen of all streams, moved as most of them have."""
        centres, scales = map(np.array, zip(*map(self._of, self._reference.levels.values()), strict=True))
        along = self._shared * np.median(scales, axis=0)
        low, high = centres.min(axis=0) + np.minimum(along, 0), centres.max(axis=0) + np.maximum(along, 0)
        return np.clip(centre, low, high), np.clip(scale, scales.min(axis=0), scales.max(axis=0))


def _shared(moved: Floats, channels: int) -> Floats:
    """What most of S streams do together: the median [C] of what each does, [S, C]."""
    return np.median(moved, axis=0) if len(moved) >= ENOUGH_STREAMS else np.zeros(channels)
