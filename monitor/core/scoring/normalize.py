"""Normalization: centre and scale, one of each per window and channel; a template is a centre per sample.

The numbers are computed here, and only here, for training and for scoring alike; they are *applied* inside the
artifact's module as `(x - centre) / scale`.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.core.artifact.manifest import NormalizationSpec
from monitor.core.values.growable import grown
from monitor.core.values.snapshots import State, arrays_of, put_arrays
from monitor.core.windows.stream_windows import WindowBatch

# Turns a median absolute deviation into the standard deviation of a Gaussian.
MAD_TO_SIGMA = 1.4826

Floats32 = NDArray[np.float32]

_LEARNT = ("_seen", "_centre", "_scale")


class Normalizer:
    """Centre and scale for the streams of one model group.

    `fixed` and `window` keep no state. `stream` learns from each stream's first `warmup_windows` trusted windows: the
    centre is the median of the windows' medians; the scale combines the median of the windows' MADs with the MAD of
    their medians (both times 1.4826, so that a Gaussian's standard deviation comes out). `template` learns likewise:
    the centre is the median window, sample by sample; the scale combines the standard deviation along it with the MAD
    of the windows around it. Odd windows carry neither away while they are fewer than half.
    """

    def __init__(self, spec: NormalizationSpec, channels: int) -> None:
        self.spec = spec
        self._floor = np.asarray(spec.scale_floor, np.float32)
        self._seen = np.zeros(0, np.int64)  # windows learnt from, by stream
        self._centre: Floats32 = np.zeros((0, channels), np.float32)
        self._scale: Floats32 = np.ones((0, channels), np.float32)
        # stream -> medians and MADs so far, [2, warmup, C]; for templates the windows themselves, [warmup, C, L]
        self._learning: dict[int, NDArray[np.floating[Any]]] = {}

    def parameters(
        self, batch: WindowBatch, trusted: NDArray[np.bool_]
    ) -> tuple[Floats32, Floats32, NDArray[np.bool_]]:
        """Centre [B, C], scale [B, C] and ready [B] for a batch, learning from it where a stream still warms up.

        Of kind `template`, centre is [B, C, L].

        trusted: bool [B], windows of good quality; the others teach nothing. A window that a stream learnt from is not
        ready: it is never judged by numbers it helped to make.
        """
        count, channels = batch.values.shape[:2]
        ready = np.ones(count, np.bool_)
        if self.spec.kind == "window":
            with np.errstate(invalid="ignore", over="ignore"):  # a window of inf is withheld, not a warning
                centre = batch.values.mean(axis=2)
                scale = np.maximum(batch.values.std(axis=2), self._floor)
            return centre, scale, ready
        if self.spec.kind == "fixed":
            fixed = (count, channels)
            centre = np.broadcast_to(np.asarray(self.spec.centre, np.float32), fixed)
            return centre, np.broadcast_to(np.asarray(self.spec.scale, np.float32), fixed), ready
        if self.spec.kind == "template" and self._centre.ndim == 2:
            self._centre = np.zeros((0, *batch.values.shape[1:]), np.float32)
        self._make_room(int(batch.stream.max(initial=-1)) + 1)
        for at in np.flatnonzero(self._seen[batch.stream] < self.spec.warmup_windows).tolist():
            stream = int(batch.stream[at])
            if self._seen[stream] < self.spec.warmup_windows:
                ready[at] = False
                if trusted[at]:
                    self._learn(stream, batch.values[at])
        return self._centre[batch.stream], self._scale[batch.stream], ready

    def warmup_progress(self, streams: NDArray[np.int64]) -> NDArray[np.float64]:
        """How much of its warm-up each stream has behind it: float64 [T], 1.0 when done or when none is needed.

        streams: int64 [T].
        """
        if not self.spec.learnt:
            return np.ones(len(streams))
        self._seen = grown(self._seen, int(streams.max(initial=-1)) + 1, 0)
        return self._seen[streams] / self.spec.warmup_windows

    def forget(self, stream: int) -> None:
        """Start over for this stream (it is gone, or its number was given to another)."""
        self._learning.pop(stream, None)
        if stream < len(self._seen):
            self._seen[stream] = 0

    def snapshot(self) -> State:
        """What was learnt, to be kept."""
        learning = [[stream, learnt.copy()] for stream, learnt in self._learning.items()]
        return {"learning": learning, **arrays_of(self, _LEARNT)}

    def restore(self, state: State) -> None:
        """Know what the one knew that gave this state."""
        self._learning = dict(state["learning"])
        put_arrays(self, _LEARNT, state)

    def _make_room(self, rows: int) -> None:
        self._seen = grown(self._seen, rows, 0)
        self._centre = grown(self._centre, rows, 0.0)
        self._scale = grown(self._scale, rows, 1.0)

    def _learn(self, stream: int, window: Floats32) -> None:
        """Take in one window [C, L]; after the last one, settle the stream's numbers."""
        if self.spec.kind == "template":
            self._learn_template(stream, window)
            return
        values = window.astype(np.float64)  # the median of two huge float32 would overflow
        seen, warmup = int(self._seen[stream]), self.spec.warmup_windows
        learnt = self._learning.setdefault(stream, np.empty((2, warmup, len(window))))
        learnt[0, seen] = np.median(values, axis=1)
        learnt[1, seen] = np.median(np.abs(values - learnt[0, seen][:, None]), axis=1)
        self._seen[stream] += 1
        if seen + 1 < warmup:
            return
        medians, mads = self._learning.pop(stream)
        centre = np.median(medians, axis=0)
        within = MAD_TO_SIGMA * np.median(mads, axis=0)
        between = MAD_TO_SIGMA * np.median(np.abs(medians - centre), axis=0)
        self._centre[stream] = centre
        self._scale[stream] = np.clip(np.hypot(within, between), self._floor, np.finfo(np.float32).max)

    def _learn_template(self, stream: int, window: Floats32) -> None:
        seen, warmup = int(self._seen[stream]), self.spec.warmup_windows
        learnt = self._learning.setdefault(stream, np.empty((warmup, *window.shape), np.float32))
        learnt[seen] = window
        self._seen[stream] += 1
        if seen + 1 < warmup:
            return
        windows = self._learning.pop(stream).astype(np.float64)
        centre = np.median(windows, axis=0)  # [C, L]
        around = MAD_TO_SIGMA * np.median(np.abs(windows - centre), axis=(0, 2))
        self._centre[stream] = centre
        self._scale[stream] = np.clip(np.hypot(centre.std(axis=1), around), self._floor, np.finfo(np.float32).max)
