"""A stream's history as a fit sees it: its stretches cut into windows, by the trainer's own cutter."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.core.artifact.manifest import Manifest
from monitor.core.dataset.recording import Recording
from monitor.core.history.stretch import Stretch
from monitor.core.scoring.quality import CODES, Quality, may_teach
from monitor.core.streams.sample_rates import is_other_rate
from trainer.data.cutting import DataFile, FileWindows, cut, reasons_to_distrust
from trainer.refit.selection import Spans

_UNLIKE = CODES[Quality.UNLIKE_TRAINING]


@dataclass(frozen=True, slots=True)
class StreamHistory:
    """The windows of one stream, N in order of time.

    cut: their samples; spans: when they are. withheld: str [N], why a window is not to be trusted, empty where it is.
    unlike: bool [N], which ones the daemon found unlike the training data. skipped: stretches of other channels or of
    another rate than the model's.
    """

    cut: FileWindows
    spans: Spans
    withheld: NDArray[np.str_]
    unlike: NDArray[np.bool_]
    skipped: int

    @property
    def name(self) -> str:
        """The stream's name."""
        return self.cut.file.name

    def __len__(self) -> int:
        """How many windows."""
        return len(self.cut)


def history_of(stream: str, number: int, stretches: Iterable[Stretch], manifest: Manifest) -> StreamHistory | None:
    """Cut the stretches of a stream, in order of time, for the model that `manifest` describes; None if none fit.

    number: what the stream's windows carry as theirs.
    """
    every = list(stretches)
    fitting = [each for each in every if _fits(each, manifest)]
    if not fitting:
        return None
    recording = _recording(stream, fitting, manifest)
    file = DataFile(stream, _digest(recording), recording)
    window, period = manifest.window, manifest.sample_period_seconds
    piece = cut(file, number, manifest.channel_names, window, period)
    starts = np.array([each.start_seconds for each in fitting])
    stretch = np.searchsorted(starts, piece.batch.end_seconds, side="right") - 1
    withheld = reasons_to_distrust(piece.batch, window, manifest.channels)
    quality = _daemons_quality(fitting, piece.batch.end_seconds, window.stride * period)
    distrusted = ~may_teach(quality) & (quality != _UNLIKE)
    withheld = np.where((withheld == "") & distrusted, "daemon", withheld)
    return StreamHistory(
        piece,
        Spans(piece.start_seconds, piece.batch.end_seconds, stretch),
        withheld,
        quality == _UNLIKE,
        len(every) - len(fitting),
    )


def _fits(stretch: Stretch, manifest: Manifest) -> bool:
    same_rate = not is_other_rate(stretch.sample_period_seconds / manifest.sample_period_seconds)
    return same_rate and set(manifest.measured_names) <= set(stretch.channels)


def _recording(stream: str, stretches: list[Stretch], manifest: Manifest) -> Recording:
    """One recording of all stretches, each a segment of its own."""
    names, period = manifest.measured_names, manifest.sample_period_seconds
    samples = [each.values[[each.channels.index(name) for name in names]].T for each in stretches]
    lengths = [len(each) for each in samples]
    times = [each.start_seconds + np.arange(n) * period for each, n in zip(stretches, lengths, strict=True)]
    return Recording(
        name=stream,
        channels=names,
        samples=np.concatenate(samples).astype(np.float32, copy=False),
        time_seconds=np.concatenate(times),
        sample_period_seconds=period,
        labels=None,
        segment=np.repeat(np.arange(len(stretches), dtype=np.int64), lengths),
    )


def _digest(recording: Recording) -> str:
    digest = hashlib.sha256(np.ascontiguousarray(recording.samples).tobytes())
    digest.update(recording.time_seconds.tobytes())
    return digest.hexdigest()


def _daemons_quality(
    stretches: list[Stretch], end_seconds: NDArray[np.float64], interval_seconds: float
) -> NDArray[np.int8]:
    """What the daemon found of the windows [N] that end at these times, or of its own that end nearest to them.

    Where none of its windows ends within half an `interval_seconds`, the window counts as good: the samples were kept.
    """
    ends = np.concatenate([each.ends_seconds for each in stretches])
    quality = np.concatenate([each.quality for each in stretches])
    found = np.full(len(end_seconds), CODES[Quality.GOOD], np.int8)
    if len(ends):
        order = np.argsort(ends, kind="stable")
        # the first of the daemon's windows that does not end too early is the nearest, where one is near at all
        first = np.searchsorted(ends[order], end_seconds - 0.5 * interval_seconds)
        nearest = order[np.minimum(first, len(ends) - 1)]
        near = np.abs(ends[nearest] - end_seconds) <= 0.5 * interval_seconds
        found[near] = quality[nearest[near]]
    return found
