"""Which representation suits data for which none was asked for: what they are, not how well anything is found."""

import numpy as np
from scipy.stats import kurtosis

from trainer.data.windows import Windows
from trainer.settings import RawSettings, RepresentationSettings, SpectrumSettings

# Slower than this nothing that turns can be heard: temperatures, levels, cycles of a machine, whose shape counts.
VIBRATION_HZ = 10.0

# Within a window the kurtosis of a sine is 1.5 and that of noise 3; a healthy bearing's vibration has about 3 and a
# damaged one's more (Dyer & Stewart, "Detection of rolling element bearing damage by statistical vibration analysis",
# 1978). Heartbeats, a spike in a second of rest, have 5 to 30: their shape counts.
IMPULSIVE_KURTOSIS = 4.0

LOOKED_AT = 1000  # windows, evenly spread


def suitable_representation(train: Windows, sample_period_seconds: float) -> RepresentationSettings:
    """Choose the spectrum for vibration: fast signals that oscillate without impulses; for all others raw windows."""
    if sample_period_seconds * VIBRATION_HZ > 1:
        return RawSettings()
    chosen = np.linspace(0, len(train) - 1, min(LOOKED_AT, len(train))).round().astype(np.int64)
    values = train.values[chosen].astype(np.float64)
    moving = values.std(axis=2) > 0
    peaked = kurtosis(values[moving], axis=1, fisher=False)  # windows and channels that move, one after another
    impulsive = not len(peaked) or float(np.median(peaked)) > IMPULSIVE_KURTOSIS
    return RawSettings() if impulsive else SpectrumSettings()
