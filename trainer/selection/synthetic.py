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
    """Put an anomaly of `kind` (one of `KINDS` or `FAULTS`) into each window; returns new windows.

    windows: float32 [N, C, L].

    One channel of each window changes, chosen by chance; so is how much, from hardly visible to plain. deviation: [C]
    or [N, C], the standard deviation of each channel of normal data, in the units of the windows. `correlation` puts in
    its place the same channel of another window: each channel alone stays normal. With a single channel there is
    nothing to correlate, and the second half is exchanged.
    """
    rng = np.random.default_rng([seed, _NUMBER[kind]])
    deviation = np.broadcast_to(deviation, windows.shape[:2])
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
            changed[number, channel] = change(
                changed[number, channel], float(deviation[number, channel]), severity, rng
            )
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


def _step(channel: Floats, deviation: float, severity: float, rng: np.random.Generator) -> Floats:
    """Somewhere in the window the level jumps by 1 to 4 deviations."""
    begin = int(rng.integers(0, max(1, len(channel) // 2)))
    channel = channel.copy()
    channel[begin:] += (1 + 3 * severity) * deviation * float(rng.choice([-1.0, 1.0]))
    return channel


def _noise(channel: Floats, deviation: float, severity: float, rng: np.random.Generator) -> Floats:
    """Noise of 0.5 to 2 deviations comes on top."""
    noisy: Floats = channel + (0.5 + 1.5 * severity) * deviation * rng.standard_normal(len(channel))
    return noisy


def _ramp_level(channel: Floats, deviation: float, severity: float, rng: np.random.Generator) -> Floats:
    """A level that has walked away by 1 to 4 deviations over days: within a window hardly anything moves any more."""
    reach = (1 + 3 * severity) * deviation * float(rng.choice([-1.0, 1.0]))
    walked: Floats = channel + np.linspace(0.98 * reach, reach, len(channel))
    return walked


def _ramp_gain(channel: Floats, deviation: float, severity: float, rng: np.random.Generator) -> Floats:
    """Movement around the level that has grown over days, to 1.3 to 3 times what it was."""
    level = float(channel.mean())
    grown: Floats = level + (1.3 + 1.7 * severity) * (channel - level)
    return grown


_CHANGES: dict[str, _Change] = {
    "spikes": _spikes,
    "dropout": _dropout,
    "drift": _drift,
    "frequency": _frequency,
    "amplitude": _amplitude,
    "step": _step,
    "noise": _noise,
    "ramp_level": _ramp_level,
    "ramp_gain": _ramp_gain,
}
# What models are compared by.
KINDS = ("spikes", "dropout", "drift", "frequency", "amplitude", "correlation")
# What a refit must find as well as its anchor does. The ramps come so slowly that they could be learnt on the way.
RAMPS = ("ramp_level", "ramp_gain")
FAULTS = ("spikes", "step", "amplitude", "noise", "frequency", "dropout", *RAMPS)

_NUMBER = {kind: number for number, kind in enumerate((*sorted(KINDS), "step", "noise", *RAMPS))}
