"""Normalization: centre and scale, one of each per window and channel; a template is a centre per sample.

The numbers are computed here, and only here, for training and for scoring alike; they are *applied* inside the
artifact's module as `(x - centre) / scale`.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.core.artifact.manifest import NormalizationSpec
from monitor.core.values.columns import Columns, column, in_range
from monitor.core.values.snapshots import Count, State, StateError, array_in, part_of, typed
from monitor.core.windows.stream_windows import WindowBatch

# Turns a median absolute deviation into the standard deviation of a Gaussian.
MAD_TO_SIGMA = 1.4826

Floats32 = NDArray[np.float32]


class Normalizer(Columns):
    """Centre and scale for the streams of one model group.

    `fixed` and `window` keep no state. `stream` learns from each stream's first `warmup_windows` trusted windows: the
    centre is the median of the windows' medians; the scale combines the median of the windows' MADs with the MAD of
    their medians (both times 1.4826, so that a Gaussian's standard deviation comes out). `template` learns likewise:
    the centre is the median window, sample by sample; the scale combines the standard deviation along it with the MAD
    of the windows around it. Odd windows carry neither away while they are fewer than half.
    """

    _seen: NDArray[np.int64] = column("seen", np.int64)  # windows learnt from, by stream
    _centre: Floats32 = column("centre", np.float32, shape=("channels", "centres"))
    _scale: Floats32 = column("scale", np.float32, 1.0, shape=("channels",))

    def __init__(self, spec: NormalizationSpec, channels: int, window_length: int) -> None:
        # of a template there is a centre for each sample of a window
        super().__init__(channels=channels, centres=window_length if spec.kind == "template" else 1)
        self.spec = spec
        self._floor = np.asarray(spec.scale_floor, np.float32)
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
        self.ensure_capacity(int(batch.stream.max(initial=-1)) + 1)
        for at in np.flatnonzero(self._seen[batch.stream] < self.spec.warmup_windows).tolist():
            stream = int(batch.stream[at])
            if self._seen[stream] < self.spec.warmup_windows:
                ready[at] = False
                if trusted[at]:
                    self._learn(stream, batch.values[at])
        centre = self._centre[batch.stream]
        return centre if self.spec.kind == "template" else centre[:, :, 0], self._scale[batch.stream], ready

    def warmup_progress(self, streams: NDArray[np.int64]) -> NDArray[np.float64]:
        """How much of its warm-up each stream has behind it: float64 [T], 1.0 when done or when none is needed.

        streams: int64 [T].
        """
        if not self.spec.learnt:
            return np.ones(len(streams))
        self.ensure_capacity(int(streams.max(initial=-1)) + 1)
        return self._seen[streams] / self.spec.warmup_windows

    def forget(self, stream: int) -> None:
        """Start over for this stream (it is gone, or its number was given to another)."""
        self._learning.pop(stream, None)
        if stream < self.capacity:
            self._seen[stream] = 0

    def snapshot(self, streams: NDArray[np.int64]) -> State:
        """What was learnt of these streams, to be kept. learning: by place among them, what is not settled yet.

        streams: int64 [T].
        """
        learning = [
            [at, self._learning[number].copy()]
            for at, number in enumerate(streams.tolist())
            if number in self._learning
        ]
        return super().snapshot(streams) | {"learning": learning}

    def check(self, state: object, count: int) -> None:
        """See whether a state holds what was learnt of `count` streams; raises StateError if it does not."""
        super().check(state, count)
        warmup, channels = self.spec.warmup_windows, len(self._floor)
        in_range(part_of(state, "seen"), 0, warmup)
        template = self.spec.kind == "template"
        shape = (warmup, channels, self._centre.shape[2]) if template else (2, warmup, channels)
        learning = typed(part_of(state, "learning"), list[tuple[Count, Any]])
        for _, learnt in learning:
            array_in({"learning": learnt}, "learning", np.float32 if template else np.float64, shape)
        seen = state["seen"]  # type: ignore[index]
        if [at for at, _ in learning] != np.flatnonzero((seen > 0) & (seen < warmup)).tolist():
            raise StateError("what is being learnt belongs to other streams")

    def restore(self, streams: NDArray[np.int64], state: State) -> None:
        """Give streams what a state that passes `check` says was learnt of them. streams: int64 [T]."""
        super().restore(streams, state)
        self._learning |= {int(streams[at]): learnt.copy() for at, learnt in state["learning"]}

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
        self._centre[stream, :, 0] = centre
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
