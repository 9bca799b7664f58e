"""Synthetic anomalies: what commonly goes wrong with a sensor or what it watches, put into normal windows.

They stand in for labels where there are none, to compare models with each other (Goswami et al., "Unsupervised model
selection for time series anomaly detection", ICLR 2023, from whom most kinds come). How well a model finds them says
little about how well it will find real ones, but much about which of two models sees more.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# (a window's channel [L], its normal deviation, severity 0 to 1, chance) -> what becomes of the channel
_Change = Callable[[Floats, float, float, np.random.Generator], Floats]


def inject(windows: NDArray[np.float32], deviation: NDArray[np.floating], kind: str, seed: int) -> NDArray[np.float32]:
    """Put an anomaly of `kind` (one of `KINDS`) into each window; returns new windows.

    windows: float32 [N, C, L].

    One channel of each window changes, chosen by chance; so is how much, from hardly visible to plain. deviation: [C],
    the standard deviation of each channel within normal windows, in the units of the windows. `correlation` puts in
    its place the same channel of another window: each channel alone stays normal. With a single channel there is
    nothing to correlate, and the second half is exchanged.
    """
    rng = np.random.default_rng([seed, sorted(KINDS).index(kind)])
    changed = windows.astype(np.float64)
    count, channels, length = windows.shape
    for number in range(count):
        channel = int(rng.integers(channels))
        severity = float(rng.uniform())
        if kind == "correlation":
            donor = (number + int(rng.integers(1, max(2, count)))) % count
            begin = 0 if channels > 1 else length // 2
            changed[number, channel, begin:] = windows[donor, channel, begin:]
        else:
            change = _CHANGES[kind]
            changed[number, channel] = change(changed[number, channel], float(deviation[channel]), severity, rng)
    return changed.astype(np.float32)


def _spikes(channel: Floats, deviation: float, severity: float, rng: np.random.Generator) -> Floats:
    """One to three samples jump by 2 to 8 deviations."""
    at = rng.choice(len(channel), size=min(len(channel), int(rng.integers(1, 4))), replace=False)
    channel = channel.copy()
    channel[at] += (2 + 6 * severity) * deviation * rng.choice([-1.0, 1.0], size=len(at))
    return channel


def _dropout(channel: Floats, deviation: float, severity: float, rng: np.random.Generator) -> Floats:
    """The sensor holds its value over a tenth to a half of the window."""
    span = max(2, round(len(channel) * (0.1 + 0.4 * severity)))
    begin = int(rng.integers(0, max(1, len(channel) - span)))
    channel = channel.copy()
    channel[begin : begin + span] = channel[begin]
    return channel


def _drift(channel: Floats, deviation: float, severity: float, rng: np.random.Generator) -> Floats:
    """The level walks away by 0.5 to 3 deviations."""
    reach = (0.5 + 2.5 * severity) * deviation * float(rng.choice([-1.0, 1.0]))
    drifted: Floats = channel + np.linspace(0, reach, len(channel))
    return drifted


def _frequency(channel: Floats, deviation: float, severity: float, rng: np.random.Generator) -> Floats:
    """Everything runs 1.1 to 2 times as fast; at the end it goes back the way it came."""
    at = np.arange(len(channel)) * (1.1 + 0.9 * severity)
    period = 2 * (len(channel) - 1)
    mirrored: Floats = np.interp(np.abs((at + period / 2) % period - period / 2), np.arange(len(channel)), channel)
    return mirrored


def _amplitude(channel: Floats, deviation: float, severity: float, rng: np.random.Generator) -> Floats:
    """Movement around the level becomes 1.2 to 2.5 times as large, or as small."""
    factor = (1.2 + 1.3 * severity) ** float(rng.choice([-1.0, 1.0]))
    level = float(channel.mean())
    changed: Floats = level + factor * (channel - level)
    return changed


_CHANGES: dict[str, _Change] = {
    "spikes": _spikes,
    "dropout": _dropout,
    "drift": _drift,
    "frequency": _frequency,
    "amplitude": _amplitude,
}
KINDS = (*_CHANGES, "correlation")
