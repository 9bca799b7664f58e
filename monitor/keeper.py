"""The keeper: what outlives the process. It keeps what came and was said, and makes a new process go on from there.

A checkpoint holds the whole state of the pipeline; the journal holds what came after it. The pipeline comes to the same
windows and alerts whenever it gets the same messages, so both together are the state at the last commit. Messages are
acknowledged after that commit: what is not in the journal, the broker has.

While the journal cannot be used, the daemon goes on without it and says so (`trouble`). A journal that has missed a
step is of use again once there is a checkpoint that holds it, so that is what is tried every few seconds.
"""

import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import structlog

from monitor.adapters.checkpoint import read_checkpoint, write_checkpoint
from monitor.adapters.journal import AlertKey, DamagedError, Journal, JournalError
from monitor.config import JournalConfig
from monitor.core.blocks import Message
from monitor.core.histogram import Histogram
from monitor.core.journal_record import RecordError, StepRecord, decode_step, encode_step
from monitor.core.reports import Report, resolved_report
from monitor.core.state import State, StateError, encode_state
from monitor.pipeline import Moment, Pipeline, Step

log = structlog.get_logger()

_RETRY_SECONDS = 5.0
_SLOW_COMMIT_SECONDS = 0.2  # the pipeline stands still for so long: more than its batches may wait
_SLOW_SHOWN_SECONDS = 30.0
_COMMIT_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0)
_NOTHING: frozenset[AlertKey] = frozenset()


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a new process has to go on with.

    reports: alert steps to publish, which the broker has not confirmed. safe: what the former process had journaled,
    the checksum of the content by packet identifier; the broker may deliver it again.
    """

    reports: tuple[Report, ...]
    safe: dict[int, int]


class Keeper:
    """The journal and the checkpoints of one daemon.

    folder: where they lie. settings_digest: stands for the settings that the state depends on. dropped: messages that
    the journal did not keep or use, by reason; discarded: checkpoints that were not used, by reason; moved_aside:
    databases found damaged.
    """

    def __init__(self, settings: JournalConfig, folder: Path, settings_digest: str) -> None:
        self.dropped: Counter[str] = Counter()
        self.discarded: Counter[str] = Counter()
        self.moved_aside = 0
        self.messages_kept = 0
        self.messages_replayed = 0
        self.checkpoint_seconds: float | None = None  # epoch
        self.commit_seconds = Histogram(_COMMIT_SECONDS)
        self._settings = settings
        self._digest = settings_digest
        self._journal = Journal(folder / "journal.sqlite")
        self._file = folder / "checkpoint"
        self._safe: dict[int, int] = {}
        self._confirmed: list[AlertKey] = []  # and not committed yet
        self._active = False  # whether anything came that has to be kept
        self._broken: str | None = None  # why the journal lacks a step
        self._mending = False  # a checkpoint is on its way that makes up for it
        self._slow: tuple[float, float] = (-np.inf, 0.0)  # when a commit took too long (monotonic), and how long
        self._next_checkpoint = self._next_try = 0.0
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._writing: tuple[Future[None], int] | None = None  # and the last step that it holds

    # --- what others ask

    @property
    def trouble(self) -> str | None:
        """Why what comes is not, or not quickly, safe from a crash; None while it is."""
        if self._broken is not None:
            return self._broken
        at, seconds = self._slow
        if time.monotonic() - at < _SLOW_SHOWN_SECONDS:
            return f"the disk is slow: a commit took {seconds:.1f} s"
        return None

    @property
    def nbytes(self) -> int:
        """Bytes of records in the journal."""
        return self._journal.nbytes

    @property
    def safe(self) -> dict[int, int]:
        """What was made safe last under each packet identifier: the checksum of its content."""
        return self._safe

    # --- at start

    def recover(self, pipeline: Pipeline, now: Moment) -> Recovered:
        """Bring a fresh pipeline to where the last process committed. Whatever is wrong is logged, never raised."""
        began = time.monotonic()
        state = self._read_checkpoint(pipeline, now)
        reports: list[Report] = []
        try:
            self._open()
            through = state["through"] if state and state["journal"] == self._journal.id else 0
            reports = self._replay(pipeline, through, now)
        except JournalError as error:
            self._break("disk", str(error), 0)
        pipeline.resume(now.wall_seconds)
        self._active = bool(state) or self._journal.nbytes > 0
        if self._active:
            streams = sum(len(fleet.streams) for fleet in pipeline.fleets.values())
            log.info(
                "recovered",
                streams=streams,
                messages=self.messages_replayed,
                alert_steps=len(reports),
                seconds=round(time.monotonic() - began, 3),
            )
        return Recovered(tuple(reports), dict(self._safe))

    def _open(self) -> None:
        try:
            self._journal.open()
        except DamagedError as error:
            self._move_aside(str(error))

    def _move_aside(self, why: str) -> None:
        aside = self._journal.move_aside()
        self.moved_aside += 1
        log.error("the journal is damaged; a fresh one was started", reason=why, moved_to=str(aside))
        self._journal.open()

    def _read_checkpoint(  # noqa: PLR0911 - one return for each way of being of no use
        self, pipeline: Pipeline, now: Moment
    ) -> State | None:
        try:
            state = read_checkpoint(self._file)
        except OSError as error:
            return self._discard("disk", error.strerror or str(error))
        except StateError as error:
            return self._discard("damaged", str(error))
        if state is None:
            return None
        self._safe = state["safe"]  # the broker does not care about settings or age
        if now.wall_seconds - state["wall_seconds"] > self._settings.max_age_seconds:
            return self._discard("too_old", f"older than max_age_seconds ({self._settings.max_age_seconds:g})")
        if state["settings"] != self._digest:
            return self._discard("settings", "the configuration has changed")
        try:
            pipeline.restore(state["pipeline"])
        except StateError as error:
            return self._discard("settings", str(error))
        self.checkpoint_seconds = state["wall_seconds"]
        self.messages_kept = state["kept"]
        self.dropped.update(state["dropped"])
        return state

    def _discard(self, reason: str, why: str) -> State | None:
        self.discarded[reason] += 1
        log.warning("the checkpoint is not used; streams start over", reason=reason, detail=why)
        return None

    def _replay(self, pipeline: Pipeline, through: int, now: Moment) -> list[Report]:
        """Walk again through what the journal holds; the alert steps that have to be published."""
        said: list[Report] = []
        try:
            for data in self._journal.steps(through):
                record = decode_step(data)
                messages = record.messages or []
                if now.wall_seconds - record.wall_seconds > self._settings.max_age_seconds:
                    self.dropped["too_old"] += len(messages)
                    continue
                moment = Moment(record.wall_seconds, time.monotonic())
                step = pipeline.housekeep(moment) if record.messages is None else pipeline.step(messages, moment)
                said += [report for report in step.reports if report.alert]
                self._remember(messages)
                self.messages_replayed += len(messages)
                self.messages_kept += len(messages)
        except (DamagedError, RecordError) as error:
            self._move_aside(str(error))
        step = pipeline.step([], Moment(now.wall_seconds, time.monotonic()), everything=True)
        said += [report for report in step.reports if report.alert]
        self._journal.append(None, said)
        lost = [resolved_report(report) for report in self._journal.unresolved(pipeline.open_alerts)]
        self._journal.append(None, lost)
        return self._journal.unconfirmed()

    # --- in every turn

    def keep(self, messages: list[Message], step: Step, now: Moment) -> set[AlertKey] | frozenset[AlertKey]:
        """Commit a step: the messages that wait for an acknowledgement, and what it says of alerts.

        Returns the alert steps that need not be published: a former process has said them.
        """
        said = [report for report in step.reports if report.alert]
        if not (messages or said or self._confirmed):
            return _NOTHING
        record = encode_step(StepRecord(now.wall_seconds, messages)) if messages else None
        return self._append(record, messages, said)

    def keep_housekeeping(self, step: Step, now: Moment) -> set[AlertKey] | frozenset[AlertKey]:
        """Commit that housekeeping was done and changed something."""
        if not (step.reports and self._active):
            return self.keep([], step, now)
        record = encode_step(StepRecord(now.wall_seconds, None))
        return self._append(record, [], [report for report in step.reports if report.alert])

    def confirm(self, alerts: Iterable[AlertKey]) -> None:
        """The broker has these alert steps: they need not be said again. Committed with the next `keep`."""
        self._confirmed += alerts

    def _append(
        self, record: bytes | None, messages: list[Message], said: list[Report]
    ) -> set[AlertKey] | frozenset[AlertKey]:
        if self._broken is not None and not self._mending:
            self.dropped["disk"] += len(messages)
            return _NOTHING
        if record is not None and self._journal.nbytes + len(record) > self._settings.max_bytes:
            self._break("max_bytes", f"the journal is full (max_bytes = {self._settings.max_bytes})", len(messages))
            return _NOTHING
        began = time.monotonic()
        try:
            known = self._journal.append(record, said, self._confirmed)
        except JournalError as error:
            self._break("disk", str(error), len(messages), damaged=isinstance(error, DamagedError))
            return _NOTHING
        took = time.monotonic() - began
        self.commit_seconds.observe(np.array([took]))
        if took > _SLOW_COMMIT_SECONDS:
            self._slow = (began, took)
        self._confirmed.clear()
        self._remember(messages)
        self.messages_kept += len(messages)
        self._active |= bool(messages)
        return known

    def _remember(self, messages: list[Message]) -> None:
        safe = self._safe
        for message in messages:
            if message.receipt is not None:
                number, _, content = message.receipt
                safe[number & 0xFFFF] = content

    def _break(self, reason: str, why: str, messages: int, *, damaged: bool = False) -> None:
        """The journal has missed a step."""
        if self._broken is None:
            log.error("the journal cannot be written; scoring goes on without it", reason=why)
        self._broken, self._mending = why, False
        self.dropped[reason] += messages
        self._next_try = 0.0 if damaged or reason == "max_bytes" else time.monotonic() + _RETRY_SECONDS

    # --- once a second

    def is_due(self, monotonic_seconds: float) -> bool:
        """Whether `checkpoint` should be called; look after `settle_writing`."""
        if self._writing is not None:
            return False
        if self._broken is not None:
            return monotonic_seconds >= self._next_try
        full = self._journal.nbytes > self._settings.max_bytes / 2
        return self._journal.nbytes > 0 and (full or monotonic_seconds >= self._next_checkpoint)

    def checkpoint(self, pipeline: Pipeline, now: Moment) -> None:
        """Begin to write a checkpoint, in a thread of its own. No window may be waiting for the scorer."""
        self._next_checkpoint = now.monotonic_seconds + self._settings.checkpoint_seconds
        if self._broken is not None and not self._reopen(now):
            return
        state = {
            "journal": self._journal.id,
            "through": self._journal.last,
            "settings": self._digest,
            "wall_seconds": now.wall_seconds,
            "safe": dict(self._safe),
            "kept": self.messages_kept,
            "dropped": dict(self.dropped),
            "pipeline": pipeline.snapshot(),
        }
        self._writing = self._writer.submit(self._write, state), self._journal.last

    def _reopen(self, now: Moment) -> bool:
        self._next_try = now.monotonic_seconds + _RETRY_SECONDS
        try:
            self._journal.close()
            self._open()
            self._journal.append(None, (), self._confirmed)
        except JournalError as error:
            self._broken = str(error)
            return False
        self._confirmed.clear()
        self._mending = True
        return True

    def _write(self, state: State) -> None:
        write_checkpoint(self._file, encode_state(state))
        self._journal.settle()

    def settle_writing(self, pipeline: Pipeline, *, wait: bool = False) -> None:
        """See what became of a checkpoint that was begun: what it holds is forgotten by the journal."""
        if self._writing is None or not (wait or self._writing[0].done()):
            return
        (future, through), self._writing = self._writing, None
        try:
            future.result()
            self._journal.forget(through, pipeline.open_alerts)
        except (OSError, JournalError) as error:
            why = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)
            self._break("disk", why, 0, damaged=isinstance(error, DamagedError))
            return
        self.checkpoint_seconds = time.time()
        if self._mending:
            self._broken, self._mending = None, False
            log.info("the journal is whole again")

    def start_over(self, settings_digest: str) -> None:
        """The pipeline was replaced by an empty one of other settings: nothing that was kept is of use."""
        self._digest = settings_digest
        if self._writing is not None:
            self._writing[0].exception()
            self._writing = None
        try:
            self._file.unlink(missing_ok=True)
            self._journal.forget(self._journal.last, set())
        except (OSError, JournalError) as error:
            self._break("disk", str(error), 0)

    def checkpoint_soon(self) -> None:
        """Something changed that the journal does not know of (the artifacts)."""
        self._next_checkpoint = 0.0

    def unconfirmed(self) -> list[Report]:
        """The alert steps that the broker has not confirmed."""
        try:
            return self._journal.unconfirmed()
        except JournalError:
            return []  # the journal is in trouble, and known to be

    def close(self, pipeline: Pipeline, now: Moment) -> None:
        """Leave everything so that the next process need not replay anything."""
        self.settle_writing(pipeline, wait=True)
        if self._active:
            self.checkpoint(pipeline, now)
            self.settle_writing(pipeline, wait=True)
        self._writer.shutdown()
        self._journal.close()
