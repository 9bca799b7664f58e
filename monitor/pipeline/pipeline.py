"""The walk: messages in, verdicts and reports out. Read this file and you know what the daemon does all day.

    messages -> route -> decode -> rings -> windows -> micro-batch -> normalize -> score -> judge -> alerts -> reports

The pipeline has no threads, sockets or files of its own. `monitor/daemon/app.py` feeds it live messages, `residuald
replay` feeds it recordings; both get the same answers.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from monitor.core.alerting.alerts import AlertStep
from monitor.core.alerting.command import Command
from monitor.core.artifact.manifest import Manifest
from monitor.core.decode.decoder import decoder_for
from monitor.core.decode.formats import CsvFormat, JsonFormat
from monitor.core.outputs.counters import Tally
from monitor.core.outputs.reports import Report, alert_report, gone_report, state_report
from monitor.core.sources.source import SourceSpec
from monitor.core.streams.model_group import Concluded, Fleet, Prepared
from monitor.core.streams.router import Route, Router
from monitor.core.values.discards import Discard, Reason
from monitor.core.values.messages import Decoder, Message
from monitor.core.values.scorer import Floats32, ScoreBatch, Scorer
from monitor.core.values.snapshots import State, StateError
from monitor.core.windows.stream_windows import LaneBlocks, WindowBatch
from monitor.pipeline.commands import CommandDesk, obey

_Taken = dict[int, list[tuple[Message, Route]]]  # by source

UNROUTED = "none"  # the source of messages that no source admits

_LEAP_SECONDS = 1.0  # what the two clocks may differ by without one of them having been set


class Fitted(Protocol):
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
    commands_below: str | None = None  # the base topic of commands; None: there are none


@dataclass(frozen=True, slots=True)
class Step:
    """What one step came to: concluded batches by model, what to publish, and whether a command changed anything."""

    concluded: tuple[tuple[str, Concluded], ...]
    reports: tuple[Report, ...]
    obeyed: bool = False


class Pipeline:
    """The walk over all sources and fleets.

    scorers: by model name, as `fleets`. clock: monotonic seconds, to time the scorer. on_discard: called once per
    refused message with source, topic and reason (for a rate-limited log; counting is done here).
    """

    def __init__(
        self,
        sources: tuple[SourceSpec, ...],
        fleets: Mapping[str, Fleet],
        scorers: Mapping[str, Scorer],
        settings: PipelineSettings,
        clock: Callable[[], float],
        on_discard: Callable[[str, str, Discard], None] = lambda source, topic, discard: None,
        tally: Tally | None = None,
    ) -> None:
        self.sources = sources
        self.fleets = dict(fleets)
        self.settings = settings
        self.router = Router(sources, self.fleets, settings.max_streams)
        self.tally = tally or Tally()
        self._scorers = dict(scorers)
        self._clock = clock
        self._on_discard = on_discard
        self.on_batch: Callable[[], None] = lambda: None  # called once per scored batch: a step may hold many slow ones
        self._desk = CommandDesk(
            settings.commands_below, self.fleets, settings.max_streams, self.tally.commands, on_discard
        )
        self._last_look: Moment | None = None
        self._decoders: list[Decoder] = [
            decoder_for(spec.format, self.router.width(number), settings.max_payload_bytes)
            for number, spec in enumerate(sources)
        ]
        self.tally.begin(self.fleets)

    @property
    def deadline_seconds(self) -> float:
        """The monotonic time by which `step` should be called again even if nothing comes (infinity: no hurry)."""
        return min((fleet.batch.deadline_seconds for fleet in self.fleets.values()), default=float("inf"))

    def step(self, messages: list[Message], now: Moment, *, everything: bool = False) -> Step:
        """Take in messages and score what is ready; `everything` scores what still waits, too (at the end)."""
        before: list[Step] = []
        taken: _Taken = {}
        route = self.router.route
        for message in messages:
            found = route(message.topic)
            if isinstance(found, Route):
                taken.setdefault(found.source, []).append((message, found))
            elif self._desk.is_meant(message.topic):
                asked = self._desk.take(message)
                if asked is not None:
                    # a walk through the same messages, scored at other moments, must come to the same: so what came
                    # before a command is judged without it, and what comes after it with it
                    self._take_in_all(taken, now)
                    taken = {}
                    before += [self.score(now, everything=True), self._obey(*asked, message.arrival_seconds)]
            else:
                self._refuse(*found, message.topic)
        self._take_in_all(taken, now)
        return _joined([*before, self.score(now, everything=everything)])

    def score(self, now: Moment, *, everything: bool = False) -> Step:
        """Score, judge and report the micro-batches that are ready."""
        concluded: list[tuple[str, Concluded]] = []
        reports: list[Report] = []
        for name, fleet in self.fleets.items():
            windows = fleet.ready(now.monotonic_seconds, everything=everything)
            if windows is not None:
                done = self._judge(name, fleet, windows, now)
                concluded.append((name, done))
                reports += [alert_report(step, fleet) for _, step in done.steps]
        return Step(tuple(concluded), (*reports, *self._state_reports()))

    def housekeep(self, now: Moment, *, again: bool = False) -> Step:
        """Find silent streams, forget the long gone ones and end mutes. Call it about once a second.

        again: a former process did it at this wall time; the two clocks do not belong together.
        """
        self._excuse_leap(now, again=again)
        settings, wall = self.settings, now.wall_seconds
        gone = [(fleet, fleet.gone(wall, settings.expire_after_seconds)) for fleet in self.fleets.values()]
        # a window of a stream that is forgotten would have nobody to belong to, and one of a stream that is about to be
        # unmuted is muted still
        over = any(names or fleet.mutes.over(wall) for fleet, names in gone)
        last = self.score(now, everything=True) if over else Step((), ())
        reports = list(last.reports)
        for fleet, names in gone:
            for name in names:
                reports += self._forget(fleet, name)
            fleet.mark_silent(wall, settings.silent_after_seconds)
            fleet.unmute(wall)
        return Step(last.concluded, (*reports, *self._state_reports()))

    def adopt(self, fitted: Mapping[str, Fitted]) -> bool:
        """Score with other artifacts from now on, keeping rings and alerts.

        Returns False, and does nothing, if one does not fit. Call it with no window waiting: first step with
        `everything=True`.
        """
        if not all(self.fleets[name].fits(new.manifest) for name, new in fitted.items()):
            return False
        for name, new in fitted.items():
            self.fleets[name].adopt(new.manifest, new.max_batch)
            self._scorers[name] = new.scorer
        return True

    def snapshot(self) -> State:
        """Everything that must outlive the process. Call it with no window waiting, as `adopt`."""
        return {
            "fleets": {name: fleet.snapshot() for name, fleet in self.fleets.items()},
            "router": self.router.snapshot(),
            "tally": self.tally.snapshot(),
        }

    def restore(self, state: State) -> None:
        """Go on from what another pipeline of the same settings gave.

        Raises:
            StateError: an artifact cuts other windows; nothing was changed.

        """
        if state["fleets"].keys() != self.fleets.keys():
            raise StateError("other models")
        for name, fleet in self.fleets.items():
            fleet.check_state(state["fleets"][name])
        for name, fleet in self.fleets.items():
            fleet.restore(state["fleets"][name])
        self.router.restore(state["router"])
        self.tally.restore(state["tally"])

    def resume(self, now_seconds: float) -> None:
        """Go on after nobody listened till now (wall clock): no stream is silent for that, and all report anew."""
        self._last_look = None  # by the clocks of another process
        for fleet in self.fleets.values():
            fleet.resume(now_seconds)

    @property
    def open_alerts(self) -> set[str]:
        """The ids of all open alerts."""
        return set().union(*(fleet.alerts.open_ids for fleet in self.fleets.values()))

    def retire(self, models: Collection[str]) -> Step:
        """Forget the streams of these models: another pipeline takes over."""
        streams = [(self.fleets[model], name) for model in models for name in self.fleets[model].streams.number]
        return Step((), tuple(report for fleet, name in streams for report in self._forget(fleet, name)))

    def _forget(self, fleet: Fleet, name: str) -> Iterator[Report]:
        """Forget a stream: its alert is resolved, and its retained state cleared."""
        step = fleet.close_stream(name)
        self.router.forget(name)
        if step is not None:
            self._count_step(step)
            yield alert_report(step, fleet)
        yield gone_report(name)

    def _excuse_leap(self, now: Moment, *, again: bool) -> None:
        """Notice a leap of the wall clock: silence is a length of time, and only the monotonic clock knows lengths."""
        before, self._last_look = self._last_look, now
        if before is None:
            return
        passed = now.monotonic_seconds - before.monotonic_seconds
        leap = now.wall_seconds - before.wall_seconds - passed
        if abs(leap) > _LEAP_SECONDS:
            for fleet in self.fleets.values():
                fleet.windows.grid.excuse_leap(leap, now.wall_seconds)
                if not again:
                    fleet.mutes.leap(leap)

    def _obey(self, command: Command, fleet: Fleet, arrival_seconds: float) -> Step:
        step = obey(command, fleet, arrival_seconds)
        if step is None:
            return Step((), (), obeyed=True)
        self._count_step(step)
        return Step((), (alert_report(step, fleet),), obeyed=True)

    def _take_in_all(self, taken: _Taken, now: Moment) -> None:
        for source, messages in taken.items():
            self._take_in(source, messages, now)

    def _take_in(self, source: int, taken: list[tuple[Message, Route]], now: Moment) -> None:
        spec = self.sources[source]
        self.tally.received[spec.name] += len(taken)
        if not spec.accept_retained and any(message.retained for message, _ in taken):
            for message, _ in taken:
                if message.retained:
                    self._refuse(source, Discard(Reason.RETAINED, "of unknown age (accept_retained)"), message.topic)
            taken = [pair for pair in taken if not pair[0].retained]
        decoded = self._decoders[source].decode([message.payload for message, _ in taken])
        for index, discard in decoded.refused:
            self._refuse(source, discard, taken[index][0].topic)
        if not len(decoded.length):
            return
        lanes = np.array([route.lane for _, route in taken])[decoded.payload]
        arrivals = np.array([message.arrival_seconds for message, _ in taken])[decoded.payload]
        blocks = LaneBlocks(
            lane=lanes,
            columns=self.router.columns(source, lanes),
            first_time_seconds=decoded.first_time_seconds,
            length=decoded.length,
            arrival_seconds=arrivals,
            timed=_is_timed(spec),
            values=decoded.values,
        )
        waited_seconds = now.wall_seconds - float(arrivals.min())
        self.router.fleet(source).ingest(blocks, now.monotonic_seconds, waited_seconds)

    def _refuse(self, source: int | None, discard: Discard, topic: str) -> None:
        name = UNROUTED if source is None else self.sources[source].name
        if source is None or discard.reason in _ROUTING_REASONS:
            self.tally.received[name] += 1
        self.tally.discarded[name, discard.reason] += 1
        self._on_discard(name, topic, discard)

    def _judge(self, name: str, fleet: Fleet, windows: WindowBatch, now: Moment) -> Concluded:
        prepared = fleet.prepare(windows)
        scores = self._scores(name, prepared) if prepared.judged.any() else _nothing(len(fleet.channels))
        done = fleet.conclude(prepared, scores)
        waited = now.wall_seconds + (self._clock() - now.monotonic_seconds) - windows.arrival_seconds
        self.tally.end_to_end_seconds.observe(np.maximum(waited, 0.0))
        for _, step in done.steps:
            self._count_step(step)
        return done

    def _scores(self, name: str, prepared: Prepared) -> ScoreBatch:
        """Score the judged windows, as many at a time as the model is quickest with."""
        inputs, judged = (prepared.windows.values, prepared.centre, prepared.scale), prepared.judged
        if not judged.all():
            inputs = inputs[0][judged], inputs[1][judged], inputs[2][judged]
        size, scored = self.fleets[name].batch.max_windows, []
        for at in range(0, len(inputs[0]), size):
            windows, centre, scale = (each[at : at + size] for each in inputs)
            started = self._clock()
            scored.append(self._scorers[name].score(windows, centre, scale))
            self.tally.inference_seconds[name].observe(np.array([self._clock() - started]))
            self.tally.batch_windows[name].observe(np.array([float(len(windows))]))
            self.on_batch()
        return ScoreBatch.join(scored)

    def _count_step(self, step: AlertStep) -> None:
        self.tally.alert_steps[step.phase] += 1

    def _state_reports(self) -> list[Report]:
        reports = []
        for fleet in self.fleets.values():
            reports += [state_report(name, fleet) for name in sorted(fleet.changed)]
            fleet.changed.clear()
        return reports


_ROUTING_REASONS = frozenset({Reason.UNKNOWN_CHANNEL, Reason.BAD_NAME, Reason.STREAM_LIMIT, Reason.STREAM_CONFLICT})


def _joined(steps: list[Step]) -> Step:
    if len(steps) == 1:
        return steps[0]
    return Step(
        tuple(pair for step in steps for pair in step.concluded),
        tuple(report for step in steps for report in step.reports),
        any(step.obeyed for step in steps),
    )


def _is_timed(spec: SourceSpec) -> bool:
    """Whether the source's payloads carry their own time."""
    match spec.format:
        case JsonFormat(timestamp=timestamp):
            return timestamp is not None
        case CsvFormat(time_column=time_column):
            return time_column
        case _:
            return False


def _nothing(channels: int) -> ScoreBatch:
    empty: Floats32 = np.zeros(0, np.float32)
    nothing: NDArray[np.float32] = np.zeros((0, channels), np.float32)
    return ScoreBatch(empty, nothing)
