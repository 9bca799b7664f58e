"""Normalization: centre and scale, one of each per window and channel; a template is a centre per sample.

The numbers are computed here, and only here, for training and for scoring alike; they are *applied* inside the
artifact's module as `(x - centre) / scale`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.core.artifact.normalization_spec import NormalizationSpec
from monitor.core.scoring.given_normals import GivenNormals
from monitor.core.scoring.remembered_normals import LearntNormals, RememberedNormals
from monitor.core.values.columns import Columns, column, in_range
from monitor.core.values.snapshots import Count, State, StateError, array_in, part_of, typed
from monitor.core.windows.window_batch import WindowBatch

# Turns a median absolute deviation into the standard deviation of a Gaussian.
MAD_TO_SIGMA = 1.4826

# A stream that is unlike the training data learns one warm-up, then rests so many: learning costs time by window, and a
# machine that was put in order is to be judged by its own numbers again without anybody's doing.
_REST_WARMUPS = 9

Floats32 = NDArray[np.float32]


class Normalizer(Columns):
    """Centre and scale for the streams of one model group.

    `fixed` and `window` keep no state. `stream` learns from each stream's first `warmup_windows` trusted windows: the
    centre is the median of the windows' medians; the scale combines the median of the windows' MADs with the MAD of
    their medians (both times 1.4826, so that a Gaussian's standard deviation comes out). `template` learns likewise:
    the centre is the median window, sample by sample; the scale combines the standard deviation along it with the MAD
    of the windows around it. Odd windows carry neither away while they are fewer than half.

    A stream whose numbers lie outside the trained spread (`spec.trained`) is `unlike`: it is judged by the training
    data's numbers, and learns once more after a rest. remembered: what was learnt of streams that are not open. given:
    what the artifact brings of single streams; they do not learn.
    """

    _seen: NDArray[np.int64] = column("seen", np.int64)  # windows learnt from, by stream
    _centre: Floats32 = column("centre", np.float32, shape=("channels", "centres"))
    _scale: Floats32 = column("scale", np.float32, 1.0, shape=("channels",))
    unlike: NDArray[np.bool_] = column(None, np.bool_)
    _rest: NDArray[np.int64] = column(None, np.int64)  # windows until an unlike stream learns once more

    def __init__(self, spec: NormalizationSpec, channels: int, window_length: int) -> None:
        # of a template there is a centre for each sample of a window
        self.shape = (channels, window_length if spec.kind == "template" else 1)  # of one centre
        self.shape_of_windows = (channels, window_length)
        super().__init__(channels=channels, centres=self.shape[1])
        self.spec = spec
        self.remembered, self.given = RememberedNormals(), GivenNormals()
        self.given.adopt(spec.of_streams)
        self._set_floor()
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
        learning = self._seen[batch.stream] < self.spec.warmup_windows  # and what is unlike
        by_trained: list[int] = []
        for at in np.flatnonzero(learning).tolist():
            stream = int(batch.stream[at])
            if self._seen[stream] >= self.spec.warmup_windows:
                continue  # it has learnt by an earlier window of this batch
            if self.unlike[stream]:
                by_trained.append(at)
            else:
                ready[at] = False
            if trusted[at] and self._rest[stream]:
                self._rest[stream] -= 1
            elif trusted[at]:
                self._learn(stream, batch.values[at])
        centre, scale = self._centre[batch.stream], self._scale[batch.stream]
        if by_trained and self.spec.trained is not None:
            centre[by_trained], scale[by_trained] = self.spec.trained.centre, self._trained_scale
        return centre if self.spec.kind == "template" else centre[:, :, 0], scale, ready

    def warmup_progress(self, streams: NDArray[np.int64]) -> NDArray[np.float64]:
        """How much of its warm-up each stream has behind it: float64 [T], 1.0 when done or when none is needed.

        streams: int64 [T].
        """
        if not self.spec.learnt:
            return np.ones(len(streams))
        self.ensure_capacity(int(streams.max(initial=-1)) + 1)
        return np.where(self.unlike[streams], 1.0, self._seen[streams] / self.spec.warmup_windows)

    @property
    def any_unlike(self) -> bool:
        """Whether there is any stream whose numbers lie outside the trained spread."""
        return self.spec.trained is not None and bool(self.unlike.any())

    def open_stream(self, name: str, stream: int) -> None:
        """Start with what is given or remembered of a stream of this name, or with nothing."""
        self.forget(stream)
        remembered = self.remembered.take(name)
        learnt = self.given.of(name) or remembered
        if learnt is not None:
            self._use(stream, learnt)

    def close_stream(self, name: str, stream: int) -> None:
        """Remember what was learnt of a stream; its number may be given to another."""
        learnt = self.learnt(stream)
        if learnt is not None:
            self.remembered.put(name, learnt)
        self.forget(stream)

    def learnt(self, stream: int) -> LearntNormals | None:
        """What was learnt of a stream; None where that is nothing, or not settled yet."""
        if not self.spec.learnt or stream >= self.capacity:
            return None
        if self._seen[stream] < self.spec.warmup_windows and not self.unlike[stream]:
            return None
        return LearntNormals(self._centre[stream].copy(), self._scale[stream].copy(), bool(self.unlike[stream]))

    def adopt(self, spec: NormalizationSpec, number: Mapping[str, int]) -> None:
        """Go on by another rule that learns like the one before. number: of each stream that is open."""
        self.spec = spec
        self.given.adopt(spec.of_streams)
        self._set_floor()
        np.maximum(self._scale, self._floor, out=self._scale)
        for stream in np.flatnonzero(self.unlike).tolist():
            self._use_trained(stream)
        self.use_given(number)

    def use_given(self, number: Mapping[str, int]) -> None:
        """Judge open streams by what is given of them. number: of each stream that is open."""
        for name, stream in number.items():
            given = self.given.of(name)
            if given is not None:
                self.forget(stream)
                self._use(stream, given)

    def relearn(self, name: str, stream: int | None, at_seconds: float) -> None:
        """Forget what is usual for a stream, whoever said it. stream: None if it is not open."""
        self.remembered.take(name)
        self.given.relearn(name, at_seconds)
        if stream is not None:
            self.forget(stream)

    def inherit(self, learnt: Iterable[tuple[str, LearntNormals]]) -> None:
        """Remember what others have learnt of streams, in units and channels that are the same here."""
        for name, each in learnt:
            if self.spec.learnt and each.centre.shape == self.shape:
                self.remembered.put(name, each)

    def forget(self, stream: int) -> None:
        """Start over for this stream (it is gone, or its number was given to another)."""
        self._learning.pop(stream, None)
        if stream < self.capacity:
            self._seen[stream] = self._rest[stream] = 0
            self.unlike[stream] = False

    def snapshot(self, streams: NDArray[np.int64]) -> State:
        """What was learnt of these streams, to be kept. learning: by place among them, what is not settled yet.

        streams: int64 [T].
        """
        learning = [
            [at, self._learning[number].copy()]
            for at, number in enumerate(streams.tolist())
            if number in self._learning
        ]
        columns = super().snapshot(streams)
        unlike = [[at, int(self._rest[streams[at]])] for at in np.flatnonzero(self.unlike[streams]).tolist()]
        return columns | {"learning": learning, "unlike": unlike}

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
        if any(at >= count for at, _ in _unlike_in(state)):
            raise StateError("an unlike stream that there is not")
        seen = state["seen"]  # type: ignore[index]
        if [at for at, _ in learning] != np.flatnonzero((seen > 0) & (seen < warmup)).tolist():
            raise StateError("what is being learnt belongs to other streams")

    def restore(self, streams: NDArray[np.int64], state: State) -> None:
        """Give streams what a state that passes `check` says was learnt of them. streams: int64 [T]."""
        super().restore(streams, state)
        np.maximum(self._scale, self._floor, out=self._scale)  # of the artifact in use, not of the one before
        self._learning |= {int(streams[at]): learnt.copy() for at, learnt in state["learning"]}
        for at, rest in _unlike_in(state):
            self._use_trained(int(streams[at]))
            self._rest[streams[at]] = rest

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
        self._settle(stream, centre[:, None], np.hypot(within, between))

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
        self._settle(stream, centre, np.hypot(centre.std(axis=1), around))

    def _settle(self, stream: int, centre: NDArray[np.float64], scale: NDArray[np.float64]) -> None:
        """Judge a stream by its own numbers from now on, where they are like those of the training data."""
        scale = np.clip(scale, self._floor, np.finfo(np.float32).max)
        trained = self.spec.trained
        if trained is None or trained.holds(centre, scale):
            self._use(stream, LearntNormals(centre.astype(np.float32), scale.astype(np.float32)))
        else:
            self._use_trained(stream)

    def _set_floor(self) -> None:
        trained = self.spec.trained
        self._floor = np.asarray(self.spec.scale_floor, np.float32)
        self._trained_scale = self._floor
        if trained is not None:
            self._trained_scale = np.maximum(np.asarray(trained.scale, np.float32), self._floor)

    def _use(self, stream: int, learnt: LearntNormals) -> None:
        if learnt.unlike:
            self._use_trained(stream)
            return
        self.ensure_capacity(stream + 1)
        self._centre[stream], self._scale[stream] = learnt.centre, np.maximum(learnt.scale, self._floor)
        self._seen[stream], self._rest[stream], self.unlike[stream] = self.spec.warmup_windows, 0, False

    def _use_trained(self, stream: int) -> None:
        """Judge a stream by the numbers of the training data; without them it learns as if it were new."""
        self.ensure_capacity(stream + 1)
        trained = self.spec.trained
        if trained is None:
            self.forget(stream)
            return
        self._centre[stream], self._scale[stream] = trained.centre, self._trained_scale
        self._rest[stream], self.unlike[stream] = _REST_WARMUPS * self.spec.warmup_windows, True
        if stream not in self._learning:
            self._seen[stream] = 0


def _unlike_in(state: object) -> list[tuple[int, int]]:
    """The places of unlike streams in a state of a `Normalizer`, with their rest; older versions kept none."""
    return typed(state.get("unlike", []) if isinstance(state, dict) else [], list[tuple[Count, Count]])
