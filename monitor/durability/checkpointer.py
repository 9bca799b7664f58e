"""The checkpointer: what outlives the process, kept for `recovery.py` to go on from.

A checkpoint holds the whole state of the pipeline; the journal holds what came after it. The pipeline comes to the same
windows and alerts whenever it gets the same messages, so both together are the state at the last commit. Messages are
acknowledged after that commit: what is not in the journal, their source still has.

While the journal cannot be used, the daemon goes on without it and says so (`trouble`). A journal that has missed a
step is of use again once there is a checkpoint that holds it, so that is what is tried every few seconds.
"""

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import structlog

from monitor.adapters.storage.settings import JournalConfig
from monitor.core.outputs.journal_record import StepRecord, encode_step
from monitor.core.outputs.reports import Report
from monitor.core.ports import DamagedError, OutboxRow, Progress, Source, StepKey, Store, StoreError
from monitor.core.values.histogram import Histogram
from monitor.core.values.messages import MessageBatch
from monitor.core.values.snapshots import State, encode_state
from monitor.durability.outbox import Outbox
from monitor.durability.recovery import Recovered, Recovery
from monitor.durability.resumes import Resumes
from monitor.pipeline.pipeline import Moment, Pipeline

log = structlog.get_logger()

_RETRY_SECONDS = 5.0
_SLOW_COMMIT_SECONDS = 0.2  # the pipeline stands still for so long: more than its batches may wait
_SLOW_SHOWN_SECONDS = 30.0
_COMMIT_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0)
_MAX_ROWS = 10_000  # deliveries that may wait for one sink; beyond, the oldest are given up


class Checkpointer:
    """The journal and the checkpoints of one daemon.

    store: where they lie. fingerprint: stands for the settings that the state depends on; older_fingerprints: what
    older versions of the program had in its place. dropped: messages that the journal did not keep or use, by reason;
    discarded: checkpoints that were not used, by reason; given_up: deliveries that waited too long or in too great
    number, by sink.
    """

    def __init__(
        self, store: Store, settings: JournalConfig, fingerprint: str, older_fingerprints: tuple[str, ...] = ()
    ) -> None:
        self.dropped: Counter[str] = Counter()
        self.discarded: Counter[str] = Counter()
        self.given_up: Counter[str] = Counter()
        self.messages_kept = 0
        self.messages_replayed = 0
        self.checkpoint_seconds: float | None = None  # epoch
        self.commit_seconds = Histogram(_COMMIT_SECONDS)
        self._store = store
        self._settings = settings
        self._fingerprint = fingerprint
        self._older_fingerprints = older_fingerprints
        self._resumes = Resumes()
        self._progress: dict[tuple[str, StepKey], Progress] = {}  # by sink, and not committed yet
        self._active = False  # whether anything came that has to be kept
        self._broken: str | None = None  # why the journal lacks a step
        self._mending = False  # a checkpoint is on its way that makes up for it
        self._slow: tuple[float, float] = (-np.inf, 0.0)  # when a commit took too long (monotonic), and how long
        self._next_checkpoint = self._next_try = 0.0
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._unsaved = False  # whether anything changed since the last checkpoint that the journal may not hold
        # and the last step that it holds, and the alerts that are open in it
        self._writing: tuple[Future[None], int, set[str]] | None = None

    # --- what others ask

    @property
    def trouble(self) -> str | None:
        """Why what comes is not, or not quickly, safe from a crash; None while it is."""
        if self._broken is not None:
            return f"a crash would lose data: {self._broken}"
        at, seconds = self._slow
        if time.monotonic() - at < _SLOW_SHOWN_SECONDS:
            return f"the disk is slow: a commit took {seconds:.1f} s"
        return None

    @property
    def nbytes(self) -> int:
        """Bytes of records in the journal."""
        return self._store.nbytes

    @property
    def moved_aside(self) -> int:
        """Databases found damaged."""
        return self._store.moved_aside

    # --- at start

    def recover(self, pipeline: Pipeline, now: Moment, sources: Mapping[str, Source], outbox: Outbox) -> Recovered:
        """Bring a fresh pipeline to where the last process committed. Whatever is wrong is logged, never raised.

        Sources are told what is committed of them, and sinks get what is still to be delivered.
        """
        fingerprints = self._fingerprint, *self._older_fingerprints
        found = Recovery(self._store, self._settings, fingerprints, sources, outbox).run(pipeline, now)
        outbox.retained.use(self._store)
        self.dropped, self.discarded = found.dropped, found.discarded
        self.messages_kept, self.messages_replayed = found.messages_kept, found.messages_replayed
        self.checkpoint_seconds = found.checkpoint_seconds
        self._resumes = Resumes(found.resume)
        if found.trouble is not None:
            self._break("disk", found.trouble, 0)
        self._active = found.checkpoint_seconds is not None or self._store.nbytes > 0
        return found

    # --- in every step

    def known(self, reports: Iterable[Report], sinks: Iterable[str]) -> dict[str, set[StepKey]]:
        """By sink, those of the steps in `reports` that were given to it before, by whichever process."""
        keys = [report.step for report in reports if report.step is not None]
        if not keys:
            return {}
        try:
            return {name: self._store.known(name, keys) for name in sinks}
        except StoreError:
            return {}  # the journal is in trouble: rather twice than never

    def keep(
        self,
        now: Moment,
        rows: Sequence[OutboxRow] = (),
        progress: Sequence[tuple[str, Progress]] = (),
        *,
        source: Source | None = None,
        messages: MessageBatch | None = None,
        changed: bool = False,
    ) -> None:
        """Commit a step: the messages that wait for an acknowledgement of `source`, deliveries, and progress.

        changed: whether the state of a stream or an alert is another one, by messages of any kind.
        """
        self._unsaved |= changed
        self._note_progress(progress)
        if source is None or messages is None:
            if rows or self._progress:
                self._append(None, rows, now)
            return
        resume = source.resume_of(messages.tokens)
        record = encode_step(StepRecord(now.wall_seconds, messages, {source.name: resume} if resume else {}))
        if self._append(record, rows, now, len(messages)) and resume:
            self._resumes.note(source, resume)

    def keep_housekeeping(
        self, now: Moment, rows: Sequence[OutboxRow], progress: Sequence[tuple[str, Progress]], *, changed: bool
    ) -> None:
        """Commit that housekeeping was done. changed: whether it changed anything that a replay has to repeat."""
        self._unsaved |= changed
        if not (changed and self._active):
            self.keep(now, rows, progress)
            return
        self._note_progress(progress)
        self._append(encode_step(StepRecord(now.wall_seconds, None, {})), rows, now)

    def _append(self, record: bytes | None, rows: Sequence[OutboxRow], now: Moment, messages: int = 0) -> bool:
        """Commit; whether it is done."""
        if self._broken is not None and not self._mending:
            self.dropped["disk"] += messages
            return False
        if record is not None and self._store.nbytes + len(record) > self._settings.max_bytes:
            self._break("max_bytes", f"the journal is full (max_bytes = {self._settings.max_bytes})", messages)
            return False
        began = time.monotonic()
        try:
            self._store.append(record, rows, self._uncommitted(), now.wall_seconds)
        except StoreError as error:
            self._break("disk", str(error), messages, damaged=isinstance(error, DamagedError))
            return False
        took = time.monotonic() - began
        self.commit_seconds.observe_one(took)
        if took > _SLOW_COMMIT_SECONDS:
            self._slow = (began, took)
        self._progress.clear()
        self.messages_kept += messages
        self._active |= messages > 0
        return True

    def _note_progress(self, progress: Sequence[tuple[str, Progress]]) -> None:
        for sink, each in progress:
            self._progress[sink, each.key] = each

    def _uncommitted(self) -> list[tuple[str, Progress]]:
        return [(sink, progress) for (sink, _), progress in self._progress.items()]

    def resume_of(self, source: Source) -> bytes | None:
        """What is committed of a source: for one that takes the place of another of its name."""
        return self._resumes.of(source)

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
        full = self._store.nbytes > self._settings.max_bytes / 2
        unsaved = self._unsaved or self._store.nbytes > 0
        return unsaved and (full or monotonic_seconds >= self._next_checkpoint)

    def checkpoint(self, pipeline: Pipeline, now: Moment, sources: Mapping[str, Source]) -> None:
        """Begin to write a checkpoint, in a thread of its own. No window may be waiting for the scorer."""
        self._next_checkpoint = now.monotonic_seconds + self._settings.checkpoint_seconds
        if self._broken is not None and not self._reopen(now):
            return
        state = {
            "journal": self._store.id,
            "through": self._store.last,
            "settings": self._fingerprint,
            "wall_seconds": now.wall_seconds,
            "resume": self._resumes.merged(sources),
            "kept": self.messages_kept,
            "dropped": dict(self.dropped),
            "pipeline": pipeline.snapshot(),
        }
        self._unsaved = False
        self._writing = self._writer.submit(self._write, state), self._store.last, pipeline.open_alerts

    def _reopen(self, now: Moment) -> bool:
        self._next_try = now.monotonic_seconds + _RETRY_SECONDS
        try:
            self._store.close()
            self._store.open()
            self._store.append(None, (), self._uncommitted(), now.wall_seconds)
        except StoreError as error:
            self._broken = str(error)
            return False
        self._progress.clear()
        self._mending = True
        return True

    def _write(self, state: State) -> None:
        self._store.write_checkpoint(encode_state(state))
        self._store.settle()

    def settle_writing(self, pipeline: Pipeline, sinks: Sequence[str], now: Moment, *, wait: bool = False) -> None:
        """See what became of a checkpoint that was begun: what it holds is forgotten by the journal."""
        if self._writing is None or not (wait or self._writing[0].done()):
            return
        (future, through, open_then), self._writing = self._writing, None
        try:
            future.result()
            # what ended since then without a record in the journal is open again for the next process
            self._store.forget(through, open_then | pipeline.open_alerts)
            given_up = self._store.trim(sinks, _MAX_ROWS, now.wall_seconds - self._settings.max_age_seconds)
        except StoreError as error:
            self._break("disk", str(error), 0, damaged=isinstance(error, DamagedError))
            return
        for sink, deliveries in given_up.items():
            self.given_up[sink] += deliveries
            log.warning("deliveries were given up", sink=sink, deliveries=deliveries)
        self.checkpoint_seconds = time.time()
        if self._mending:
            self._broken, self._mending = None, False
            log.info("the journal is whole again")

    def start_over(
        self, fingerprint: str, pipeline: Pipeline, now: Moment, sources: Mapping[str, Source], sinks: Sequence[str]
    ) -> None:
        """The pipeline was replaced by one of other settings: write its checkpoint in place of the one before, at once.

        Until it is written, a process that follows would find the settings of before, and nothing to go on from.
        """
        self._fingerprint = fingerprint
        if self._writing is not None:
            self._writing[0].exception()
            self._writing = None
        self.checkpoint(pipeline, now, sources)
        self.settle_writing(pipeline, sinks, now, wait=True)
        if self._broken is None:
            return
        try:  # messages of before must not be walked through with the settings of now
            self._store.remove_checkpoint()
            self._store.forget(self._store.last, pipeline.open_alerts)
        except StoreError as error:
            self._break("disk", str(error), 0)

    def checkpoint_soon(self) -> None:
        """Something changed that the journal does not know of (the artifacts)."""
        self._next_checkpoint = 0.0

    def deliver_again(self, outbox: Outbox, sink: str) -> None:
        """Hand what is not delivered yet to a sink that takes the place of another of its name."""
        try:
            undelivered = self._store.undelivered(sink)
        except StoreError:
            return  # the journal is in trouble, and known to be
        outbox.deliver_again(sink, undelivered)

    def close(self, pipeline: Pipeline, now: Moment, sources: Mapping[str, Source], sinks: Sequence[str]) -> None:
        """Leave everything so that the next process need not replay anything, whatever QoS messages came with."""
        self.settle_writing(pipeline, sinks, now, wait=True)
        if self._active or pipeline.holds_state:
            self.checkpoint(pipeline, now, sources)
            self.settle_writing(pipeline, sinks, now, wait=True)
        self._writer.shutdown()
        self._store.close()
