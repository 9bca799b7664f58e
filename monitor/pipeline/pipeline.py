"""The walk: messages in, verdicts and reports out. Read this file and you know what the daemon does all day.

    messages -> route -> decode -> rings -> windows -> micro-batch -> normalize -> score -> judge -> alerts -> reports

The pipeline has no threads, sockets or files of its own. `monitor/daemon/app.py` feeds it live messages, `residuald
replay` feeds it recordings; both get the same answers.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from monitor.core.alerting.end_reason import EndReason
from monitor.core.alerting.questions import ASK_AFTER_SECONDS
from monitor.core.artifact.manifest import Manifest
from monitor.core.outputs.counters import Counters
from monitor.core.outputs.reports import Report, alert_report, gone_report, state_report
from monitor.core.scoring.preparation import PreparedBatch
from monitor.core.sources.source import SourceSpec
from monitor.core.streams.model_group import ModelGroup
from monitor.core.streams.notices import Notice
from monitor.core.streams.router import Router
from monitor.core.streams.sample_rates import RATE_TOLERANCE
from monitor.core.streams.scored_batch import ScoredBatch
from monitor.core.streams.unopened import Unopened
from monitor.core.values.discards import Discard
from monitor.core.values.messages import MessageBatch
from monitor.core.values.scorer import Floats32, ScoreBatch, Scorer
from monitor.core.values.snapshots import State, StateError, part_of
from monitor.core.windows.stream_windows import StreamBlocks, WindowBatch
from monitor.pipeline.asking import Asking
from monitor.pipeline.commands import AcceptedCommand, CommandHandler, apply_command
from monitor.pipeline.intake import Intake
from monitor.pipeline.labelling import Labelling
from monitor.pipeline.pipeline_state import Refusal, restore_into, snapshot_of

_LEAP_SECONDS = 1.0  # what the two clocks may differ by without one of them having been set


class LoadedModel(Protocol):
    """What the pipeline needs of an artifact."""

    @property
    def manifest(self) -> Manifest: ...  # noqa: D102 - the field says it
    @property
    def scorer(self) -> Scorer: ...  # noqa: D102
    @property
    def max_batch(self) -> int: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Moment:
    """Now, by both clocks: wall time is compared with event time, monotonic time with deadlines."""

    wall_seconds: float
    monotonic_seconds: float


@dataclass(frozen=True, slots=True)
class PipelineSettings:
    """What the pipeline itself needs of the configuration."""

    max_streams: int = 10_000
    max_payload_bytes: int = 4 * 1024 * 1024
    silent_after_seconds: float = 30.0
    expire_after_seconds: float = 3600.0
    rate_tolerance: float = RATE_TOLERANCE
    ask_after_seconds: float = ASK_AFTER_SECONDS
    commands_below: str | None = None  # the base topic of commands; None: there are none


@dataclass(frozen=True, slots=True)
class Step:
    """What one step came to: scored batches by model, what to publish, and whether a command changed anything."""

    scored_batches: tuple[tuple[str, ScoredBatch], ...]
    reports: tuple[Report, ...]
    command_applied: bool = False


class Pipeline:
    """The walk over all sources and model groups.

    scorers: by model name, as `model_groups`. clock: monotonic seconds, to time the scorer. on_discard: called once per
    refused message with source, topic and reason (for a rate-limited log; counting is done here).
    """

    def __init__(
        self,
        sources: tuple[SourceSpec, ...],
        model_groups: Mapping[str, ModelGroup],
        scorers: Mapping[str, Scorer],
        settings: PipelineSettings,
        clock: Callable[[], float],
        on_discard: Callable[[str, str, Discard], None] = lambda source, topic, discard: None,
        counters: Counters | None = None,
    ) -> None:
        self.sources = sources
        self.model_groups = dict(model_groups)
        self.settings = settings
        self.router = Router(sources, self.model_groups, settings.max_streams)
        self.counters = counters or Counters()
        self._scorers = dict(scorers)
        self._clock = clock
        self.on_batch: Callable[[], None] = lambda: None  # called once per scored batch: a step may hold many slow ones
        # called with a model and what the owner of one of its streams should know
        self.on_notice: Callable[[str, Notice], None] = lambda model, notice: None
        for model_group in self.model_groups.values():
            model_group.inputs.rates.tolerance = settings.rate_tolerance
        self.labelling = Labelling(self.counters.commands, on_discard)
        commands = CommandHandler(
            settings.commands_below,
            self.model_groups,
            settings.max_streams,
            self.counters.commands,
            on_discard,
            self.labelling,
        )
        self.asking = Asking(self.model_groups, settings.ask_after_seconds)
        self._last_look: Moment | None = None
        self._intake = Intake(
            sources, self.router, settings.max_payload_bytes, self.counters, commands, on_discard, self._evict
        )
        self._evicted: list[Report] = []  # what is still to be reported of streams that made room for others
        self.counters.begin(self.model_groups)

    @property
    def deadline_seconds(self) -> float:
        """The monotonic time by which `step` should be called again even if nothing comes (infinity: no hurry)."""
        return min(
            (model_group.batch.deadline_seconds for model_group in self.model_groups.values()), default=float("inf")
        )

    def step(self, batch: MessageBatch | None, now: Moment, *, everything: bool = False) -> Step:
        """Take in messages and score what is ready; `everything` scores what still waits, too (at the end)."""
        before: list[Step] = []
        if batch is not None:
            topic = np.array(batch.topic, np.int64)
            start = 0
            while start < len(batch):
                start, pieces, command = self._intake.take_in(batch, topic, start)
                for blocks in pieces:
                    self._ingest(blocks, now)
                if command is not None:
                    # a walk through the same messages, scored at other moments, must come to the same: so what came
                    # before a command is judged without it, and what comes after it with it
                    before += [self.score(now, everything=True), self._apply(command)]
        return _joined([*before, self.score(now, everything=everything)])

    def score(self, now: Moment, *, everything: bool = False) -> Step:
        """Score, judge and report the micro-batches that are ready."""
        scored_batches: list[tuple[str, ScoredBatch]] = []
        reports: list[Report] = []
        for name, model_group in self.model_groups.items():
            windows = model_group.ready(now.monotonic_seconds, everything=everything)
            if windows is not None:
                done = self._judge(name, model_group, windows, now)
                scored_batches.append((name, done))
                reports += [alert_report(step, model_group) for _, step in done.steps]
        return Step(tuple(scored_batches), (*reports, *self._state_reports()))

    def housekeep(self, now: Moment, *, again: bool = False) -> Step:
        """Find silent streams, forget the long gone ones and end mutes. Call it about once a second.

        again: a former process did it at this wall time; the two clocks do not belong together.
        """
        self._adjust_for_clock_step(now, again=again)
        settings, wall = self.settings, now.wall_seconds
        gone = [
            (model_group, model_group.gone(wall, settings.expire_after_seconds))
            for model_group in self.model_groups.values()
        ]
        # a window of a stream that is forgotten would have nobody to belong to, and one of a stream that is about to be
        # unmuted is muted still
        over = any(names or model_group.mutes.over(wall) for model_group, names in gone)
        last = self.score(now, everything=True) if over else Step((), ())
        reports = list(last.reports)
        for model_group, names in gone:
            for name in names:
                reports += self._forget(model_group, name)
            model_group.mark_silent(wall, settings.silent_after_seconds)
            model_group.unmute(wall)
        self._look_at_unopened(wall)
        self.labelling.settle(self.asking)
        for model, notice in self.asking.review(wall):
            self.on_notice(model, notice)
        return Step(last.scored_batches, (*reports, *self._state_reports()))

    @property
    def unopened(self) -> Unopened:
        """The devices of which everything is refused, so that they have no stream."""
        return self._intake.unopened

    def _look_at_unopened(self, now_seconds: float) -> None:
        if self.unopened.streams:
            opened = {name for model_group in self.model_groups.values() for name in model_group.streams.number}
            self.unopened.forget(opened, now_seconds - self.settings.expire_after_seconds)
            for model, notice in self.unopened.take_notices():
                self.on_notice(model, notice)

    def adopt(self, fitted: Mapping[str, LoadedModel]) -> bool:
        """Score with other artifacts from now on, keeping rings and alerts.

        Returns False, and does nothing, if one does not fit. Call it with no window waiting: first step with
        `everything=True`.
        """
        if not all(self.model_groups[name].fits(new.manifest) for name, new in fitted.items()):
            return False
        for name, new in fitted.items():
            self.model_groups[name].adopt(new.manifest, new.max_batch)
            self._scorers[name] = new.scorer
        return True

    def snapshot(self) -> State:
        """Everything that must outlive the process. Call it with no window waiting, as `adopt`."""
        return snapshot_of(self.model_groups, self.counters) | {
            "decoders": self._intake.snapshot(),
            "labels": self.labelling.snapshot(),
        }

    def restore(self, state: object) -> list[Refusal]:
        """Let a fresh pipeline go on from a state that one of the same settings gave, in this version or an older one.

        Returns which parts of it were of no use.

        Raises:
            StateError: it is no state, or one of other models; nothing was changed.

        """
        refusals = restore_into(self.model_groups, self.counters, state)
        self.router.find_streams()
        try:
            self._intake.restore(part_of(state, "decoders"))
        except StateError as error:  # as of versions whose decoders kept nothing
            if isinstance(state, dict) and "decoders" in state:
                refusals.append(Refusal("decoders", str(error)))
        if isinstance(state, dict) and "labels" in state:  # which older versions could not keep
            try:
                self.labelling.restore(state["labels"])
            except StateError as error:
                refusals.append(Refusal("labels", str(error)))
        return refusals

    def inherit_decoders(self, other: "Pipeline") -> None:
        """Go on from what the decoders of another pipeline know, where the source has the same settings."""
        self._intake.inherit(other._intake)  # noqa: SLF001 - one pipeline of another

    def resume(self, now_seconds: float) -> None:
        """Go on after nobody listened till now (wall clock): no stream is silent for that, and all report anew."""
        self._last_look = None  # by the clocks of another process
        for model_group in self.model_groups.values():
            model_group.resume(now_seconds)

    @property
    def open_alerts(self) -> set[str]:
        """The ids of all open alerts."""
        return set().union(*(model_group.alerts.open_ids for model_group in self.model_groups.values()))

    @property
    def holds_state(self) -> bool:
        """Whether there is anything that a next process would miss."""
        return any(len(model_group.streams) or len(model_group.mutes) for model_group in self.model_groups.values())

    def retire(self, models: Collection[str]) -> Step:
        """Forget the streams of these models: another pipeline takes over."""
        streams = [
            (self.model_groups[model], name) for model in models for name in self.model_groups[model].streams.number
        ]
        reason = EndReason.RECONFIGURED
        return Step((), tuple(report for group, name in streams for report in self._forget(group, name, reason)))

    def _forget(self, model_group: ModelGroup, name: str, reason: EndReason = EndReason.GONE) -> Iterator[Report]:
        """Forget a stream: its alert is resolved, and its retained state cleared."""
        step = model_group.close_stream(name, reason)
        self.router.forget(name)
        if step is not None:
            self.counters.count_step(step)
            yield alert_report(step, model_group)
        yield gone_report(name)

    def _evict(self, model_group: ModelGroup, name: str) -> None:
        """Forget a stream that never gave a window, so that another can be opened."""
        model_group.streams_evicted += 1
        self._evicted += self._forget(model_group, name)

    def _adjust_for_clock_step(self, now: Moment, *, again: bool) -> None:
        """Detect a step of the wall clock: elapsed wall time differs from elapsed monotonic time by more than 1 s.

        Stored arrival times and deadlines of mutes are shifted by the difference, so that a corrected clock makes no
        stream silent.
        """
        before, self._last_look = self._last_look, now
        if before is None:
            return
        passed = now.monotonic_seconds - before.monotonic_seconds
        leap = now.wall_seconds - before.wall_seconds - passed
        if abs(leap) > _LEAP_SECONDS:
            for model_group in self.model_groups.values():
                model_group.windows.grid.adjust_for_clock_step(leap, now.wall_seconds)
                model_group.inputs.adjust_for_clock_step(leap, now.wall_seconds)
                if not again:
                    model_group.mutes.leap(leap)

    def _ingest(self, blocks: Iterable[tuple[ModelGroup, StreamBlocks]], now: Moment) -> None:
        parts_by_model: dict[str, list[StreamBlocks]] = {}
        for model_group, each in blocks:
            parts_by_model.setdefault(model_group.name, []).append(each)
        for name, parts in parts_by_model.items():
            model_group = self.model_groups[name]
            waited = now.wall_seconds - min(each.arrival_seconds.item(0) for each in parts)
            model_group.ingest_all(parts, now.monotonic_seconds, waited)
            for notice in model_group.inputs.take_notices():
                self.on_notice(name, notice)

    def _apply(self, accepted: AcceptedCommand) -> Step:
        command, model_group, arrival_seconds = accepted
        if command.kind == "forget":
            reports = tuple(self._forget(model_group, command.stream))
            model_group.relearn(command.stream, arrival_seconds)  # what was learnt may be of who had the name wrongly
            return Step((), reports, command_applied=True)
        step = apply_command(accepted)
        if step is None:
            return Step((), (), command_applied=True)
        self.counters.count_step(step)
        return Step((), (alert_report(step, model_group),), command_applied=True)

    def _judge(self, name: str, model_group: ModelGroup, windows: WindowBatch, now: Moment) -> ScoredBatch:
        prepared = model_group.prepare(windows)
        scores = self._scores(name, prepared) if prepared.judged.any() else _nothing(len(model_group.channels))
        done = model_group.conclude(prepared, scores)
        waited = now.wall_seconds + (self._clock() - now.monotonic_seconds) - windows.arrival_seconds
        self.counters.end_to_end_seconds.observe(np.maximum(waited, 0.0))
        for _, step in done.steps:
            self.counters.count_step(step)
        return done

    def _scores(self, name: str, prepared: PreparedBatch) -> ScoreBatch:
        """Score the judged windows, as many at a time as the model is quickest with."""
        inputs, judged = (prepared.windows.values, prepared.centre, prepared.scale), prepared.judged
        if not judged.all():
            inputs = inputs[0][judged], inputs[1][judged], inputs[2][judged]
        size, scored = self.model_groups[name].batch.max_windows, []
        for at in range(0, len(inputs[0]), size):
            windows, centre, scale = (each[at : at + size] for each in inputs)
            started = self._clock()
            scored.append(self._scorers[name].score(windows, centre, scale))
            self.counters.inference_seconds[name].observe_one(self._clock() - started)
            self.counters.batch_windows[name].observe_one(float(len(windows)))
            self.on_batch()
        return ScoreBatch.join(scored)

    def _state_reports(self) -> list[Report]:
        reports, self._evicted = self._evicted, []
        for model_group in self.model_groups.values():
            if model_group.changed:
                reports += [state_report(name, model_group) for name in sorted(model_group.changed)]
                model_group.changed.clear()
        return reports


def _joined(steps: list[Step]) -> Step:
    if len(steps) == 1:
        return steps[0]
    return Step(
        tuple(pair for step in steps for pair in step.scored_batches),
        tuple(report for step in steps for report in step.reports),
        any(step.command_applied for step in steps),
    )


def _nothing(channels: int) -> ScoreBatch:
    empty: Floats32 = np.zeros(0, np.float32)
    nothing: NDArray[np.float32] = np.zeros((0, channels), np.float32)
    return ScoreBatch(empty, nothing)
