"""The engine: the loop that takes from the sources, walks through the pipeline, commits, and gives to the sinks.

    sources -> take -> Pipeline.step -> commit -> deliver, tell -> acknowledge -> sources

The order within a step is the promise: what dies in between is done again by the next process, and nothing twice.
The engine runs in one thread. Sources and sinks have threads of their own and ring its bell.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import structlog

from monitor.core.outputs.reports import Report, journal_report, topics_told
from monitor.core.ports import OutboxRow, Progress, Sink, Source
from monitor.core.streams.notices import Notice
from monitor.core.values.messages import MessageBatch
from monitor.daemon.bell import Bell
from monitor.daemon.step_size import StepSize
from monitor.durability.checkpointer import Checkpointer
from monitor.durability.history_keeper import HistoryKeeper
from monitor.durability.outbox import Outbox
from monitor.pipeline.pipeline import Moment, Pipeline, Step

log = structlog.get_logger()

HOUSEKEEPING_SECONDS = 1.0
_IDLE_SECONDS = 0.5  # how long the loop sleeps when nothing comes and nothing waits
_LEAVE_SECONDS = 1.0  # at least, of the time that sinks may use, once all is walked through
_NOTE_SECONDS = 0.05  # while sinks leave: how often the engine looks for progress
NOTHING = Step((), ())


class Engine:
    """Moves messages from sources through a pipeline to sinks. All methods but `wake` belong to one thread.

    checkpointer: None where nothing is kept on a disk; history: likewise. clock: wall time, epoch seconds.
    linger_seconds: how long messages that nobody waits for may gather. on_moved: called when the engine moved, also
    within a long step. on_notice: called with a model and what the owner of one of its streams should know.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        sources: Iterable[Source],
        sinks: Iterable[Sink],
        checkpointer: Checkpointer | None,
        clock: Callable[[], float],
        *,
        history: HistoryKeeper | None = None,
        linger_seconds: float = 0.0,
        on_moved: Callable[[], None] = lambda: None,
        on_notice: Callable[[str, Notice], None] = lambda model, notice: None,
    ) -> None:
        self.sources: dict[str, Source] = {source.name: source for source in sources}
        self.outbox = Outbox(sinks)
        self.checkpointer = checkpointer
        self.history = history
        self._bell = Bell(linger_seconds)
        self._step_size = StepSize()
        self._clock = clock
        self._on_moved = on_moved
        self._on_notice = on_notice
        self._next_housekeeping = 0.0
        self._journal_told: bytes | None = None
        self._models_told: dict[str, bytes] = {}  # payloads by topic
        self._use(pipeline)

    def _use(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        pipeline.on_batch, pipeline.on_notice = self._on_moved, self._on_notice

    def wake(self, *, urgent: bool = False) -> None:
        """Let the loop look at sources and sinks; for any thread, see `monitor.core.ports.Wake`."""
        self._bell.ring(urgent=urgent)

    @property
    def finished(self) -> bool:
        """Whether every source has come to its end, and all of it was taken."""
        return bool(self.sources) and all(source.finished for source in self.sources.values())

    def now(self) -> Moment:
        """Now, by both clocks."""
        return Moment(self._clock(), time.monotonic())

    # --- the beginning

    def recover(self) -> None:
        """Go on where the last process committed; before `start`."""
        if self.checkpointer is not None:
            self.checkpointer.recover(self.pipeline, self.now(), self.sources, self.outbox)
            self._clear_others()

    def start(self) -> None:
        """Start what is not started: sinks first, sources last, so that nothing enters that cannot leave."""
        for door in self._doors():
            door.start(self.wake)

    # --- the loop

    def turn(self) -> bool:
        """One round: wait for something to do, and do it. Returns whether housekeeping was due and done."""
        self._bell.wait(min(max(self.pipeline.deadline_seconds - time.monotonic(), 0.0), _IDLE_SECONDS))
        now = self.now()
        if not self._take_all(now):
            self._walk(now)
        self._on_moved()
        if now.monotonic_seconds < self._next_housekeeping:
            return False
        self._next_housekeeping = now.monotonic_seconds + HOUSEKEEPING_SECONDS
        self._keep_house(now)
        return True

    def _take_all(self, now: Moment) -> bool:
        """Walk through what each source has, a batch of each; whether there was any."""
        any_taken = False
        for source in self.sources.values():
            limits = self._step_size.limits
            batch = source.take(limits)
            if batch is not None:
                any_taken = True
                self._walk(now, source, batch)
                if len(batch) >= limits.messages or batch.nbytes >= limits.nbytes:
                    self._bell.ring(urgent=True)  # more may wait
        return any_taken

    def _walk(
        self,
        now: Moment,
        source: Source | None = None,
        batch: MessageBatch | None = None,
        *,
        everything: bool = False,
    ) -> None:
        """One step: score, commit, deliver, acknowledge."""
        began = time.monotonic()
        step = self.pipeline.step(batch, now, everything=everything)
        if batch is not None or step.scored_batches:
            self._step_size.note(0 if batch is None else len(batch), time.monotonic() - began)
        self._finish(now, step, source, batch)
        if step.command_applied and self.checkpointer is not None:
            self.checkpointer.checkpoint_soon()  # the journal does not know the streams of QoS 0 sources

    def _finish(self, now: Moment, step: Step, source: Source | None = None, batch: MessageBatch | None = None) -> None:
        waiting = batch.waiting() if batch is not None and batch.tokens else None
        outbox, checkpointer = self.outbox, self.checkpointer
        progress = outbox.progress()
        rows: list[OutboxRow] = []
        if step.reports:  # most steps say nothing
            known = {} if checkpointer is None else checkpointer.known(step.reports, outbox.sinks)
            rows = outbox.rows_of(step.reports, known)
        if checkpointer is not None:
            changed = bool(step.reports)
            checkpointer.keep(now, rows, progress, source=source, messages=waiting, changed=changed)
        if progress or step.reports:
            self._give(rows, progress, step.reports)
        if waiting is not None and source is not None:
            source.acknowledge(waiting.tokens)
        self._remember(step)

    def _remember(self, step: Step) -> None:
        if self.history is not None and (step.scored_batches or step.reports):
            self.history.offer(step, self.pipeline)

    def _give(self, rows: list[OutboxRow], progress: list[tuple[str, Progress]], reports: Iterable[Report]) -> None:
        """Let the sinks have what is committed now, and all that is told of states."""
        self.outbox.committed(progress)
        self.outbox.deliver(rows)
        self.outbox.tell(reports)

    def _keep_house(self, now: Moment) -> None:
        step, outbox, checkpointer = self.pipeline.housekeep(now), self.outbox, self.checkpointer
        for sink in outbox.sinks.values():
            outbox.retained.clear(sink)
        if checkpointer is None:
            self._finish(now, step)
            return
        rows, progress = outbox.rows_of(step.reports, checkpointer.known(step.reports, outbox.sinks)), outbox.progress()
        checkpointer.keep_housekeeping(now, rows, progress, changed=bool(step.reports))
        self._give(rows, progress, step.reports)
        self._remember(step)
        checkpointer.settle_writing(self.pipeline, list(outbox.sinks), now)
        if checkpointer.is_due(now.monotonic_seconds):
            self.flush()
            checkpointer.checkpoint(self.pipeline, now, self.sources)
        told = journal_report(checkpointer.trouble, checkpointer.moved_aside)
        if told.payload != self._journal_told:
            self._journal_told = told.payload
            outbox.tell([told])

    def tell_models(self, reports: Sequence[Report]) -> None:
        """Tell how all models stand, as far as that has changed."""
        before, self._models_told = self._models_told, {report.topic: report.payload for report in reports}
        changed = [report for report in reports if before.get(report.topic) != report.payload]
        if changed:
            self.outbox.tell(changed)

    # --- changes

    def flush(self) -> None:
        """Score the windows that wait, and judge them."""
        self._walk(self.now(), everything=True)

    def artifacts_changed(self) -> None:
        """The pipeline scores with other artifacts: a checkpoint soon says so."""
        if self.checkpointer is not None:
            self.checkpointer.checkpoint_soon()

    def change_pipeline(self, pipeline: Pipeline, final_step: Step, fingerprint: str) -> None:
        """Go on with another pipeline. final_step: what the one before has still to say; flush it first."""
        now = self.now()
        self._use(pipeline)
        self._finish(now, final_step)
        self._clear_others()
        if self.checkpointer is not None:
            self.checkpointer.start_over(fingerprint, pipeline, now, self.sources, list(self.outbox.sinks))

    def change_doors(self, sources: Iterable[Source], sinks: Iterable[Sink], timeout_seconds: float) -> None:
        """Go on with these sources and sinks; those that are not among them any more leave, new ones are started.

        What a source that leaves has brought is walked through before another takes its place: its tokens are of use to
        no other. New ones go on where others of their name were.
        """
        new_sources, new_sinks = {each.name: each for each in sources}, {each.name: each for each in sinks}
        before = set(map(id, self._doors()))
        staying = set(map(id, (*new_sources.values(), *new_sinks.values())))
        leaving = [door for door in self._doors() if id(door) not in staying]
        self._empty([source for source in self.sources.values() if id(source) not in staying])
        retained, left = self.outbox.retained, [sink for sink in self.outbox.sinks.values() if id(sink) not in staying]
        retained.keep_only(new_sinks, topics_told(self.pipeline.model_groups.values()))
        for sink in left:
            retained.clear(sink)
        self._leave(leaving, timeout_seconds)
        for sink in left:
            retained.left(sink)
        self.sources, self.outbox.sinks = new_sources, new_sinks
        if left:
            self._tell_all_again()
        if self.checkpointer is not None:
            for source in new_sources.values():
                resume = self.checkpointer.resume_of(source) if id(source) not in before else None
                if resume is not None:
                    source.remember(resume)
            for name, sink in new_sinks.items():
                if id(sink) not in before:
                    self.checkpointer.deliver_again(self.outbox, name)
        self.start()

    def _clear_others(self) -> None:
        """Have all states cleared that stand at the sinks and belong to no stream of the pipeline."""
        self.outbox.retained.keep_only(self.outbox.sinks, topics_told(self.pipeline.model_groups.values()))

    def _tell_all_again(self) -> None:
        """Let every state be told with the next step: a sink is new, and may tell them elsewhere."""
        self._journal_told = None
        self._models_told.clear()
        for model_group in self.pipeline.model_groups.values():
            model_group.report_all()

    # --- the end

    def drain(self, timeout_seconds: float, *, walk_seconds: float = math.inf) -> None:
        """Score what came, deliver what there is to deliver, and end; sinks and sources may use the timeout.

        walk_seconds: of the timeout, what scoring may use. What still waits then is given up: whoever sent it keeps
        what was to be acknowledged, the rest is lost, counted and logged.
        """
        began = time.monotonic()
        self._empty(self.sources.values(), walk_seconds)
        left_seconds = began + timeout_seconds - time.monotonic()
        self._leave(list(self._doors()), max(left_seconds, min(timeout_seconds, _LEAVE_SECONDS)))
        if self.checkpointer is not None:
            self.checkpointer.close(self.pipeline, self.now(), self.sources, list(self.outbox.sinks))

    def _empty(self, sources: Iterable[Source], walk_seconds: float = math.inf) -> None:
        """Let nothing more come in from these, and walk through what came already, as far as there is time."""
        sources = list(sources)
        for source in sources:
            source.stop_receiving()
        give_up = time.monotonic() + walk_seconds
        for source in sources:
            while time.monotonic() < give_up and (batch := source.take(self._step_size.limits)) is not None:
                self._walk(self.now(), source, batch)
            lost = source.give_up()
            if lost:
                log.warning("there was no time to score all that waited", source=source.name, messages_lost=lost, qos=0)
        self.flush()

    def _leave(self, doors: list[Source | Sink], timeout_seconds: float) -> None:
        """Let sources and sinks end, and commit meanwhile what the sinks get further with."""
        for door in doors:
            door.leave(timeout_seconds)
        give_up = time.monotonic() + timeout_seconds
        while any(door.alive for door in doors) and time.monotonic() < give_up:
            self._bell.wait(_NOTE_SECONDS)
            self._finish(self.now(), NOTHING)
        self._finish(self.now(), NOTHING)

    def _doors(self) -> Iterator[Source | Sink]:
        """Every source and sink once: one link may be both."""
        seen: set[int] = set()
        doors: list[Source | Sink] = [*self.outbox.sinks.values(), *self.sources.values()]
        for door in doors:
            if id(door) not in seen:
                seen.add(id(door))
                yield door
