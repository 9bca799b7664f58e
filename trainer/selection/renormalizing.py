"""What normalizes windows into which something was injected."""

import numpy as np
from numpy.typing import NDArray

from monitor.core.artifact.normalization_spec import NormalizationSpec
from monitor.core.scoring.normalize import Normalizer
from monitor.core.windows.window_batch import WindowBatch
from trainer.data.windows import Windows


def renormalized(values: NDArray[np.float32], windows: Windows, normalization: NormalizationSpec) -> Windows:
    """Changed windows with centre and scale: where those are taken from the window itself, they change too.

    values: float32 [N, C, L], what became of `windows`.
    """
    if normalization.kind != "window":
        return Windows(values, windows.centre, windows.scale)
    count, times = len(values), np.zeros(len(values))
    batch = WindowBatch(np.zeros(count, np.int64), times, times, np.ones(values.shape[:2], np.float32), values)
    centre, scale, _ = Normalizer(normalization, *values.shape[1:]).parameters(batch, np.ones(count, np.bool_))
    return Windows(values, centre, scale)
