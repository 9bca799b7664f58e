"""Samples: which window tells of which sample."""

import numpy as np

from benchmarks.accuracy.rows.protocol import Items, Task
from monitor.core.artifact.manifest import Manifest
from monitor.core.dataset.recording import Recording
from trainer.evaluation.evaluation import Scored


def centred_items(task: Task, scored: Scored, manifest: Manifest) -> Items:
    """Count samples: each has the score of the window whose middle lies nearest.

    With a window at every sample that is what TSB-UAD does (Paparrizos et al., PVLDB 15, 2022): the score of a window
    goes to its middle, and the first and last ones reach to the ends of the recording.
    """
    recording = _recording(scored)
    usable = scored.withheld == ""
    middle = (scored.cut.start_seconds[usable] + scored.cut.batch.end_seconds[usable]) / 2
    order = np.argsort(middle, kind="stable")
    middle, score = middle[order], scored.score[usable][order]
    right = np.searchsorted(middle, recording.time_seconds).clip(1, len(middle) - 1)
    before, after = recording.time_seconds - middle[right - 1], middle[right] - recording.time_seconds
    return Items(score[np.where(before <= after, right - 1, right)], _labels(recording))


def causal_items(task: Task, scored: Scored, manifest: Manifest) -> Items:
    """Count samples: each has the score of the last window that ended with it or before it.

    Those before the first window, or behind a gap, score 0: nothing could be said yet.
    """
    recording = _recording(scored)
    usable = scored.withheld == ""
    ends = scored.cut.batch.end_seconds[usable]
    order = np.argsort(ends, kind="stable")
    ends, score = ends[order], scored.score[usable][order]
    # half a sample of tolerance: window times lie on the sample grid, sample times beside it
    at = np.searchsorted(ends, recording.time_seconds + recording.sample_period_seconds / 2) - 1
    return Items(np.where(at >= 0, score[np.maximum(at, 0)], np.float32(0)), _labels(recording))


def _recording(scored: Scored) -> Recording:
    content = scored.cut.file.content
    assert isinstance(content, Recording)
    return content


def _labels(recording: Recording) -> np.ndarray[tuple[int], np.dtype[np.int8]]:
    assert recording.labels is not None
    return recording.labels
