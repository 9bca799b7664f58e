"""Masking: a window is judged by the channels that can be trusted.

A masked channel enters the model as what is normal for it, its centre or, where a representation has no use for a flat
line, a usual window. The error is then the mean of the other channels' errors, and has a threshold of its own: a model
that reconstructs channels together gives the others another error when one of them is replaced.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from monitor.core.artifact.manifest import Manifest
from monitor.core.artifact.masking_spec import MaskingSpec

Floats32 = NDArray[np.float32]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class StandIn:
    """What enters the model in place of masked channels.

    samples: float32 [C', L], normalized, of the measured channels. centre, scale: float32 [C'], where windows are
    normalized by their own numbers, which a masked channel does not have; else None.
    """

    samples: Floats32
    centre: Floats32 | None = None
    scale: Floats32 | None = None

    @classmethod
    def of(cls, spec: MaskingSpec) -> "StandIn":
        """What an artifact has in store."""
        if spec.centre is None or spec.scale is None:
            return cls(spec.stand_in.numpy())
        return cls(spec.stand_in.numpy(), np.array(spec.centre, np.float32), np.array(spec.scale, np.float32))

    def put(
        self, values: Floats32, centre: Floats32, scale: Floats32, masked: Bools
    ) -> tuple[Floats32, Floats32, Floats32]:
        """Copies of windows, centre and scale in which masked channels are replaced.

        values: float32 [B, C, L]. centre: float32 [B, C] or, of normalization `template`, [B, C, L]. scale: float32
        [B, C]. masked: bool [B, C], measured channels only.
        """
        values = values.copy()
        window, channel = np.nonzero(masked)
        if self.centre is not None and self.scale is not None:
            centre, scale = centre.copy(), scale.copy()
            centre[masked], scale[masked] = self.centre[channel], self.scale[channel]
        around = centre[window, channel] if centre.ndim == 3 else centre[window, channel, None]
        values[window, channel] = around + scale[window, channel, None] * self.samples[channel]
        return values, centre, scale


def trusted_error(channel_error: Floats32, masked: Bools) -> Floats32:
    """The mean error of the channels that are not masked, one at least in each window: float32 [B].

    channel_error: float32 [B, C]. masked: bool [B, C].
    """
    kept = np.where(masked, np.float32(0), channel_error)
    error: Floats32 = kept.sum(axis=1) / (~masked).sum(axis=1).astype(np.float32)
    return error


class Masking:
    """Which channels an artifact can do without, and how windows are judged meanwhile."""

    def __init__(self, manifest: Manifest) -> None:
        spec = manifest.masking
        self._channels = len(manifest.channels)
        # a machine that changed may look like a fault of all its sensors: most of them have to be trusted
        self._most = len(manifest.measured_names) // 2
        self._threshold = np.float32(manifest.threshold)
        self._single = np.full(self._channels, np.nan)
        self._pairs: NDArray[np.float64] | None = None
        self._stand_in: StandIn | None = None
        if spec is None:
            return
        self._stand_in = StandIn.of(spec)
        measured = len(spec.threshold)
        self._single[:measured] = [np.nan if one is None else one for one in spec.threshold]
        if spec.pair_threshold:
            self._pairs = np.full((self._channels, self._channels), np.nan)
            for pair, threshold in zip(combinations(range(measured), 2), spec.pair_threshold, strict=True):
                self._pairs[pair] = np.nan if threshold is None else threshold

    def can_judge(self, faulty: Bools) -> Bools:
        """Which windows can be judged without their faulty channels, those that have some: bool [B].

        faulty: bool [B, C].
        """
        count = faulty.sum(axis=1)
        needed = (faulty & np.isnan(self._single)).any(axis=1)
        can: Bools = (count > 0) & (count <= self._most) & ~needed
        return can

    def put(
        self, values: Floats32, centre: Floats32, scale: Floats32, masked: Bools
    ) -> tuple[Floats32, Floats32, Floats32]:
        """Windows, centre and scale with masked channels replaced; see `StandIn.put`.

        values: float32 [B, C, L]. centre: float32 [B, C] or [B, C, L]. scale: float32 [B, C]. masked: bool [B, C].
        """
        return (values, centre, scale) if self._stand_in is None else self._stand_in.put(values, centre, scale, masked)

    def judge_without(self, masked: Bools | None, error: Floats32, channel_error: Floats32) -> Floats32:
        """The threshold of each window: float32 [B]. Leaves masked channels out of the errors, in place.

        masked: bool [B, C], None where no window is masked. error: float32 [B]. channel_error: float32 [B, C].
        """
        threshold = np.full(len(error), self._threshold)
        if masked is not None:
            rows = masked.any(axis=1)
            error[rows] = trusted_error(channel_error[rows], masked[rows])
            channel_error[masked] = np.nan
            threshold[rows] = self.thresholds(masked[rows])
        return threshold

    def thresholds(self, masked: Bools) -> Floats32:
        """The threshold of each window, some of whose channels are masked as `can_judge` allows: float32 [B].

        masked: bool [B, C].

        Of more channels together than were calibrated, the largest threshold of those of them that were is scaled up:
        the errors that are left have at most the sum that they had with one more, and fewer of them share it.
        """
        count = masked.sum(axis=1)
        threshold = np.nanmax(np.where(masked, self._single, -np.inf), axis=1)
        together = np.ones(len(masked), np.int64)
        if self._pairs is not None and (count > 1).any():
            both = masked[:, :, None] & masked[:, None, :]
            pairs = np.nanmax(np.where(both, self._pairs, -np.inf), axis=(1, 2))
            found = np.isfinite(pairs)
            threshold[found], together[found] = pairs[found], 2
        scaled: Floats32 = (threshold * (self._channels - together) / (self._channels - count)).astype(np.float32)
        return scaled
