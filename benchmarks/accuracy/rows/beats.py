"""Beats of an annotated ECG: which window tells of which beat."""

import numpy as np

from benchmarks.accuracy.rows.protocol import Beats, Items, Task
from benchmarks.datasets.converters import UNDATED_SECONDS, Arrays
from monitor.core.artifact.manifest import Manifest
from trainer.evaluation.evaluation import Scored

# ANSI/AAMI EC57: N against S, V and F. Q (paced, unclassifiable) counts on neither side.
NORMAL, ABNORMAL = tuple("NLRej"), tuple("AaJSVEF")

# ANSI/AAMI EC57 takes a detected and an annotated beat for the same when they are at most this far apart.
MATCH_SECONDS = 0.15


def annotated_beats(arrays: Arrays, record: str, from_seconds: float) -> Beats:
    """Take the beats of a record of MIT-BIH that lie at least `from_seconds` after its beginning."""
    seconds = arrays[f"ann_sample_{record}"].astype(np.int64) / float(arrays["fs"])
    symbols = arrays[f"ann_symbol_{record}"]
    counted = np.isin(symbols, NORMAL + ABNORMAL) & (seconds >= from_seconds)
    return Beats(UNDATED_SECONDS + seconds[counted], np.isin(symbols[counted], ABNORMAL).astype(np.int8))


def beat_items(task: Task, scored: Scored, manifest: Manifest) -> Items:
    """Count beats: each has the score of the window whose R peak (where not cut around beats: middle) lies nearest.

    A beat that no window lies near went unseen: it scores 0.
    """
    beats = task.beats[scored.cut.file.content.name]
    window, usable = manifest.window, scored.withheld == ""
    peak_samples = window.length // 2 if window.beat is None else window.beat.before_samples
    anchor = scored.cut.start_seconds[usable] + peak_samples * manifest.sample_period_seconds
    order = np.argsort(anchor, kind="stable")
    anchor = anchor[order]
    score = scored.score[usable][order]
    if len(anchor) < 2:
        return Items(np.zeros(len(beats.label), np.float32), beats.label)
    right = np.searchsorted(anchor, beats.peak_seconds).clip(1, len(anchor) - 1)
    before, after = beats.peak_seconds - anchor[right - 1], anchor[right] - beats.peak_seconds
    nearest = np.where(before <= after, right - 1, right)
    seen = np.abs(anchor[nearest] - beats.peak_seconds) <= MATCH_SECONDS
    return Items(np.where(seen, score[nearest], np.float32(0)), beats.label)
