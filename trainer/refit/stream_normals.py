"""Centre and scale of single streams, from all that a refit takes of each instead of from a warm-up."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from monitor.core.artifact.array import Array
from monitor.core.artifact.normalization_spec import MOST_WARMUP_WINDOWS, NormalizationSpec
from monitor.core.artifact.stream_normals import StreamNormals
from monitor.core.scoring.normalize import Normalizer
from monitor.core.scoring.remembered_normals import LearntNormals
from monitor.core.windows.window_batch import WindowBatch
from trainer.refit.stream_share import evenly

# Of all streams together, as the daemon bounds what it remembers.
MOST_BYTES = 16 * 1024 * 1024


def learnt_of_streams(train: Mapping[str, NDArray[np.float32]], spec: NormalizationSpec) -> dict[str, LearntNormals]:
    """What the daemon would learn of each stream if its warm-up were all of its training windows.

    train: of each stream, float32 [N, C, L]. Streams with less than a warm-up are left to learn by themselves, and so
    are those whose numbers lie outside the trained spread; nothing at all is learnt where `spec` has no such numbers.
    """
    if not spec.learnt:
        return {}
    learnt: dict[str, LearntNormals] = {}
    nbytes = 0
    for name, windows in train.items():
        if len(windows) < spec.warmup_windows:
            continue
        found = _learnt(windows[evenly(np.arange(len(windows)), MOST_WARMUP_WINDOWS)], spec)
        if found is None or not (spec.trained is None or spec.trained.holds(found.centre, found.scale)):
            continue
        nbytes += found.nbytes
        if nbytes <= MOST_BYTES:
            learnt[name] = found
    return learnt


def as_stream_normals(learnt: Mapping[str, LearntNormals], until_seconds: Mapping[str, float]) -> StreamNormals | None:
    """The same as part of a manifest; None of no streams. until_seconds: where the data of each stream end."""
    if not learnt:
        return None
    return StreamNormals(
        names=tuple(learnt),
        until_seconds=tuple(until_seconds[name] for name in learnt),
        centre=Array.of(np.array([each.centre for each in learnt.values()])),
        scale=Array.of(np.array([each.scale for each in learnt.values()])),
    )


def _learnt(windows: NDArray[np.float32], spec: NormalizationSpec) -> LearntNormals | None:
    """What a stream teaches by these windows, float32 [N, C, L], as if they were its warm-up."""
    changed = {"warmup_windows": len(windows), "trained": None, "of_streams": None}
    normalizer = Normalizer(spec.model_copy(update=changed), *windows.shape[1:])
    times = np.zeros(len(windows))
    batch = WindowBatch(np.zeros(len(windows), np.int64), times, times, np.ones(windows.shape[:2], np.float32), windows)
    normalizer.parameters(batch, np.ones(len(windows), np.bool_))
    return normalizer.learnt(0)
