"""What an artifact needs to judge windows without some of their channels: stand-ins, and thresholds for each mask.

Each channel is masked in its turn on the very windows that calibrate the model, as the daemon masks it
(`monitor/core/scoring/masking.py`), and the threshold follows by the same rule from the errors that are left, on the
safe side (`trainer/calibration/cautious.py`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from monitor.core.artifact.array import Array
from monitor.core.artifact.masking_spec import MaskingSpec
from monitor.core.scoring.masking import StandIn, trusted_error
from trainer.artifact.export import CompiledScorer
from trainer.calibration.alerts_at_threshold import ErrorSeries
from trainer.calibration.cautious import cautious_threshold
from trainer.data.windows import BATCH_WINDOWS, Windows
from trainer.settings import CalibrationSettings

# Of a few channels each two are calibrated, too: as many pairs as this.
_MOST_PAIRS = 15
# Of very many channels so many are masked, evenly spread, and the largest threshold is that of all.
_MOST_SINGLES = 32
# A usual window is looked for among so many.
_LOOKED_AT = 1000


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Windows that calibrate, and the model that has not seen them."""

    scorer: CompiledScorer
    windows: Windows

    def errors_without(self, stand_in: StandIn, channels: Sequence[int]) -> NDArray[np.float32]:
        """The mean error of the other channels while these are masked: float32 [N]."""
        errors = [np.zeros(0, np.float32)]
        for start in range(0, len(self.windows), BATCH_WINDOWS):  # each is copied
            windows = self.windows[np.arange(start, min(start + BATCH_WINDOWS, len(self.windows)))]
            masked = np.zeros(windows.scale.shape, np.bool_)
            masked[:, list(channels)] = True
            replaced = Windows(*stand_in.put(windows.values, windows.centre, windows.scale, masked))
            errors.append(trusted_error(self.scorer.errors(replaced)[1], masked))
        return np.concatenate(errors)


def fit_masking(
    train: Windows,
    held_out: Sequence[HeldOut],
    series: Callable[[NDArray[np.float32]], list[ErrorSeries]],
    settings: CalibrationSettings,
    maskable: Sequence[bool],
    *,
    own: bool,
) -> MaskingSpec | None:
    """Find what stands in for each measured channel, and the thresholds while it is masked.

    series: errors float32 [N] of all windows held out, by recording. maskable: by measured channel, whether windows
    can be judged without it. own: whether each window is normalized by its own numbers.

    Returns None where there is nothing to mask: of one channel nothing would be left.
    """
    measured = len(maskable)
    if measured < 2 or not any(maskable):
        return None
    stand_in = _stand_in(train, held_out[0].scorer, measured, own=own)

    def threshold(channels: Sequence[int]) -> float:
        error = np.concatenate([each.errors_without(stand_in, channels) for each in held_out])
        return cautious_threshold(series(error), settings)

    candidates = [channel for channel in range(measured) if maskable[channel]]
    every = -(-len(candidates) // _MOST_SINGLES)
    found = {channel: threshold([channel]) for channel in candidates[::every]}
    largest = max(found.values())
    pairs = list(combinations(range(measured), 2))
    calibrated = measured >= 4 and len(pairs) <= _MOST_PAIRS
    return MaskingSpec(
        threshold=tuple(found.get(channel, largest) if maskable[channel] else None for channel in range(measured)),
        pair_threshold=tuple(
            threshold(pair) if maskable[pair[0]] and maskable[pair[1]] else None for pair in pairs if calibrated
        ),
        stand_in=Array.of(stand_in.samples),
        centre=None if stand_in.centre is None else tuple(stand_in.centre.tolist()),
        scale=None if stand_in.scale is None else tuple(stand_in.scale.tolist()),
    )


def _stand_in(train: Windows, scorer: CompiledScorer, measured: int, *, own: bool) -> StandIn:
    """Of each channel its centre, or the training window whose features are nearer to the mean ones.

    For raw samples the centre is the mean. A spectrum knows no flat line, and would give one features that no normal
    window has.
    """
    chosen = np.linspace(0, len(train) - 1, min(_LOOKED_AT, len(train))).round().astype(np.int64)
    windows = train[chosen]
    centre, scale = np.median(windows.centre, axis=0)[None], np.median(windows.scale, axis=0)[None]
    flat = np.broadcast_to(centre if centre.ndim == 3 else centre[:, :, None], windows.values[:1].shape)
    windows = Windows.join([Windows(flat, centre, scale), windows])
    features = scorer.represent(windows)[:, :measured].astype(np.float64)
    features = features.reshape(*features.shape[:2], -1)  # [1 + N, C', F]
    nearest = np.square(features - features[1:].mean(axis=0)).mean(axis=2).argmin(axis=0)  # [C']
    around = windows.centre if windows.centre.ndim == 3 else windows.centre[:, :, None]
    samples = (windows.values - around) / windows.scale[:, :, None]
    channel = np.arange(measured)
    return StandIn(
        samples[nearest, channel].astype(np.float32),
        windows.centre[nearest, channel] if own else None,
        windows.scale[nearest, channel] if own else None,
    )
