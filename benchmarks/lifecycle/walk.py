"""A daemon without its doors: samples of a fleet through the pipeline that the daemon runs, day by day."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchmarks.lifecycle.motors import Samples
from benchmarks.lifecycle.plan import DAY_SECONDS
from monitor.core.alerting.alerts import AlertStep
from monitor.core.alerting.decision_rule import DecisionSettings
from monitor.core.grid.sample_grid import GridRules
from monitor.core.streams.model_group import ModelGroup
from monitor.core.streams.scored_batch import ScoredBatch
from monitor.core.windows.stream_blocks import StreamBlocks
from monitor.pipeline.pipeline import LoadedModel, Moment, Pipeline, PipelineSettings, Step

Floats = NDArray[np.float64]
# Fixed, so that a seed always gives the same figures.
MAX_BATCH = 256
# So often a motor tells what it measured since: once for every window.
MESSAGE_SAMPLES = 8


@dataclass(frozen=True, slots=True)
class ScoreSeries:
    """What the windows of one stream came to, in time order.

    end_seconds: float64 [W]. score: float32 [W], NaN where withheld. channel: int8 [W], which channel had the largest
    error; -1 where withheld. channels: their names. interval_seconds: from one window to the next.
    """

    stream: str
    channels: tuple[str, ...]
    interval_seconds: float
    end_seconds: Floats
    score: NDArray[np.float32]
    channel: NDArray[np.int8]


@dataclass(slots=True)
class Seen:
    """An alert that fired, as it was published. until_seconds: None while it fires."""

    id: str
    stream: str
    since_seconds: float
    fired_seconds: float
    until_seconds: float | None = None


@dataclass(slots=True)
class Walk:
    """A pipeline of one model group, what it is fed and what it says.

    on_step: called with each step and the time. alerts: those that fired, in the order in which they did.
    """

    pipeline: Pipeline
    model_group: ModelGroup
    streams: Sequence[str]
    on_step: Callable[[Step, float], None] = lambda step, now: None
    alerts: list[Seen] = field(default_factory=list)
    _batches: list[ScoredBatch] = field(default_factory=list)
    _open: dict[str, Seen] = field(default_factory=dict)

    @classmethod
    def start(cls, model: LoadedModel, streams: Sequence[str]) -> "Walk":
        """Start with an artifact; nothing is known of any stream."""
        manifest = model.manifest
        rules = GridRules(manifest.sample_period_seconds, manifest.window.length, manifest.window.max_gap_samples)
        promised = manifest.calibration.false_alarms
        judge = DecisionSettings() if promised is None else promised.judge
        group = ModelGroup(manifest.model, manifest, rules, judge, MAX_BATCH, max_delay_seconds=0.0)
        # time stands still while a step is taken: how long the scorer takes is no question here
        pipeline = Pipeline((), {group.name: group}, {group.name: model.scorer}, PipelineSettings(), lambda: 0.0)
        return cls(pipeline, group, streams)

    def feed(self, samples: Samples, piece_seconds: float = DAY_SECONDS) -> None:
        """Take in what came, in messages of `piece_seconds`; each arrives when its last sample was taken."""
        piece = round(piece_seconds / self.model_group.manifest.sample_period_seconds)
        for first in range(0, len(samples.time_seconds), piece):
            time, values = samples.time_seconds[first : first + piece], samples.values[:, first : first + piece]
            self._step(time, values)

    def forget(self) -> None:
        """Forget what was said so far; what streams have learnt stays, and so does what is open about them."""
        self._batches.clear()
        self.alerts.clear()

    def adopt(self, model: LoadedModel) -> None:
        """Go on with another artifact.

        Raises:
            ValueError: it does not fit what is running.

        """
        if not self.pipeline.adopt({self.model_group.name: model}):
            raise ValueError(f"{model.manifest.version} cannot take over from {self.model_group.manifest.version}")

    def series(self) -> list[ScoreSeries]:
        """Everything scored so far, by stream."""
        stream = np.concatenate([done.windows.stream for done in self._batches])
        ends = np.concatenate([done.windows.end_seconds for done in self._batches])
        score = np.concatenate([done.score for done in self._batches])
        errors = np.concatenate([done.channel_error for done in self._batches])
        known = np.isfinite(score)
        channel = np.where(known, np.where(np.isfinite(errors), errors, -1).argmax(axis=1), -1).astype(np.int8)
        manifest = self.model_group.manifest
        interval = manifest.window.stride * manifest.sample_period_seconds
        found = []
        for name in self.streams:
            if name in self.model_group.streams.number:
                rows = np.flatnonzero(stream == self.model_group.streams.number[name])
                rows = rows[np.argsort(ends[rows], kind="stable")]
                found.append(
                    ScoreSeries(name, self.model_group.channels, interval, ends[rows], score[rows], channel[rows])
                )
        return found

    def _step(self, time: Floats, values: NDArray[np.float32]) -> None:
        """One message of each motor for every MESSAGE_SAMPLES, in the order of their times."""
        now = float(time[-1])
        there = np.asarray(np.isfinite(values).all(axis=2))
        for number in np.flatnonzero(there.any(axis=1)).tolist():
            if self.streams[number] not in self.model_group.streams.number:
                self.model_group.open_stream(self.streams[number], {}, [list(range(values.shape[2]))])
        parts = []
        for first in range(0, len(time), MESSAGE_SAMPLES):
            rows = slice(first, first + MESSAGE_SAMPLES)
            whole = np.flatnonzero(there[:, rows].all(axis=1))  # a motor that begins within a message begins behind it
            if len(whole):
                numbers = [self.model_group.streams.number[self.streams[number]] for number in whole.tolist()]
                parts.append(_message(self.model_group, numbers, time[rows], values[whole, rows]))
        if parts:
            self.model_group.ingest(_joined(parts), now)
        step = self.pipeline.score(Moment(now, now), everything=True)
        for _, done in step.scored_batches:
            self._batches.append(done)
            for _, alert_step in done.steps:
                self._note(alert_step)
        self.on_step(step, now)

    def _note(self, step: AlertStep) -> None:
        if step.phase == "firing":
            seen = Seen(step.id, step.stream, step.since_seconds, step.evidence.time_seconds)
            self._open[step.id] = seen
            self.alerts.append(seen)
        elif step.phase == "resolved" and step.id in self._open:
            self._open.pop(step.id).until_seconds = step.evidence.time_seconds


def _message(group: ModelGroup, streams: list[int], time: Floats, values: NDArray[np.float32]) -> StreamBlocks:
    """A message of each of M streams with the same n samples. values: float32 [M, n, C]."""
    count, length, width = values.shape
    return StreamBlocks(
        channel_group=group.groups.number(np.array(streams, np.int64), np.zeros(count, np.int64)),
        columns=np.tile(np.arange(width), (count, 1)),
        first_time_seconds=np.full(count, time[0]),
        length=np.full(count, length, np.int64),
        arrival_seconds=np.full(count, time[-1]),
        timed=True,
        values=values.reshape(count * length, width),
    )


def _joined(parts: Sequence[StreamBlocks]) -> StreamBlocks:
    """Several messages in the order in which they came."""
    return StreamBlocks(
        channel_group=np.concatenate([part.channel_group for part in parts]),
        columns=np.concatenate([part.columns for part in parts]),
        first_time_seconds=np.concatenate([part.first_time_seconds for part in parts]),
        length=np.concatenate([part.length for part in parts]),
        arrival_seconds=np.concatenate([part.arrival_seconds for part in parts]),
        timed=True,
        values=np.concatenate([part.values for part in parts]),
    )
