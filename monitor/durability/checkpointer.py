"""The checkpointer: what outlives the process. It keeps what came and was said, for `recovery.py` to go on from.

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
from pathlib import Path

import numpy as np
import structlog

from monitor.adapters.mqtt.inbound_session import contents_of
from monitor.adapters.mqtt.outbound_session import EXACTLY_ONCE_IDS, Delivery, PacketIds
from monitor.adapters.storage.checkpoint import write_checkpoint
from monitor.adapters.storage.journal import DamagedError, Journal, JournalError, PendingDelivery
from monitor.config.model import Config, JournalConfig
from monitor.core.outputs.journal_record import StepRecord, encode_step
from monitor.core.outputs.reports import AlertKey, Report
from monitor.core.values.histogram import Histogram
from monitor.core.values.messages import Message
from monitor.core.values.snapshots import State, encode_state
from monitor.durability.recovery import Recovered, Recovery
from monitor.pipeline.pipeline import Moment, Pipeline, Step
from monitor.setup.build import fingerprint_of

log = structlog.get_logger()

_RETRY_SECONDS = 5.0
_SLOW_COMMIT_SECONDS = 0.2  # the pipeline stands still for so long: more than its batches may wait
_SLOW_SHOWN_SECONDS = 30.0
_COMMIT_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0)


class Checkpointer:
    """The journal and the checkpoints of one daemon.

    folder: where they lie. settings_digest: stands for the settings that the state depends on. dropped: messages that
    the journal did not keep or use, by reason; discarded: checkpoints that were not used, by reason.
    """

    def __init__(self, settings: JournalConfig, folder: Path, settings_digest: str) -> None:
        self.dropped: Counter[str] = Counter()
        self.discarded: Counter[str] = Counter()
        self.messages_kept = 0
        self.messages_replayed = 0
        self.checkpoint_seconds: float | None = None  # epoch
        self.commit_seconds = Histogram(_COMMIT_SECONDS)
        self._settings = settings
        self._digest = settings_digest
        self._journal = Journal(folder / "journal.sqlite")
        self._file = folder / "checkpoint"
        self._safe: dict[int, int] = {}
        self._received: list[AlertKey] = []  # and not committed yet; as `_delivered`
        self._delivered: list[AlertKey] = []
        self._ids = PacketIds(EXACTLY_ONCE_IDS)
        self._ids_in_use: set[int] = set()
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
            return f"a crash would lose data: {self._broken}"
        at, seconds = self._slow
        if time.monotonic() - at < _SLOW_SHOWN_SECONDS:
            return f"the disk is slow: a commit took {seconds:.1f} s"
        return None

    @property
    def nbytes(self) -> int:
        """Bytes of records in the journal."""
        return self._journal.nbytes

    @property
    def moved_aside(self) -> int:
        """Databases found damaged."""
        return self._journal.moved_aside

    @property
    def safe(self) -> dict[int, int]:
        """What was made safe last under each packet identifier: the checksum of its content."""
        return self._safe

    # --- at start

    def recover(self, pipeline: Pipeline, now: Moment) -> Recovered:
        """Bring a fresh pipeline to where the last process committed. Whatever is wrong is logged, never raised."""
        recovery = Recovery(self._journal, self._file, self._settings, self._digest, self._ids)
        found = recovery.run(pipeline, now)
        self.dropped, self.discarded = found.dropped, found.discarded
        self.messages_kept, self.messages_replayed = found.messages_kept, found.messages_replayed
        self.checkpoint_seconds = found.checkpoint_seconds
        self._safe = found.safe
        self._ids_in_use = {pending.packet_id for pending in found.pending}
        if found.trouble is not None:
            self._break("disk", found.trouble, 0)
        self._active = found.checkpoint_seconds is not None or self._journal.nbytes > 0
        return found

    # --- in every turn

    def keep(self, messages: list[Message], step: Step, now: Moment) -> list[PendingDelivery]:
        """Commit a step: the messages that wait for an acknowledgement, what it says of alerts, and what was noted.

        Returns the alert steps to deliver: those of them that no former process has said.
        """
        said = _said(step)
        if not (messages or said or self._received or self._delivered):
            return []
        record = encode_step(StepRecord(now.wall_seconds, messages)) if messages else None
        return self._append(record, messages, said)

    def keep_housekeeping(self, step: Step, now: Moment) -> list[PendingDelivery]:
        """Commit that housekeeping was done and changed something."""
        if not (step.reports and self._active):
            return self.keep([], step, now)
        return self._append(encode_step(StepRecord(now.wall_seconds, None)), [], _said(step))

    def note(self, received: Iterable[Delivery], delivered: Iterable[Delivery]) -> None:
        """The broker has received or delivered these alert steps. Committed with the next `keep`."""
        self._received += [alert for _, alert in received]
        for packet_id, alert in delivered:
            self._delivered.append(alert)
            self._ids_in_use.discard(packet_id)

    def _append(self, record: bytes | None, messages: list[Message], said: list[Report]) -> list[PendingDelivery]:
        pending = [self._new_delivery(report) for report in said]
        if self._broken is not None and not self._mending:
            self.dropped["disk"] += len(messages)
            return pending
        if record is not None and self._journal.nbytes + len(record) > self._settings.max_bytes:
            self._break("max_bytes", f"the journal is full (max_bytes = {self._settings.max_bytes})", len(messages))
            return pending
        began = time.monotonic()
        try:
            known = self._journal.append(record, pending, self._received, self._delivered)
        except JournalError as error:
            self._break("disk", str(error), len(messages), damaged=isinstance(error, DamagedError))
            return pending
        took = time.monotonic() - began
        self.commit_seconds.observe(np.array([took]))
        if took > _SLOW_COMMIT_SECONDS:
            self._slow = (began, took)
        self._received.clear()
        self._delivered.clear()
        self._safe.update(contents_of(messages))
        self.messages_kept += len(messages)
        self._active |= bool(messages)
        self._ids_in_use -= {each.packet_id for each in pending if each.report.alert in known}
        return [each for each in pending if each.report.alert not in known]

    def _new_delivery(self, report: Report) -> PendingDelivery:
        packet_id = self._ids.take(self._ids_in_use)
        self._ids_in_use.add(packet_id)
        return PendingDelivery(report, packet_id)

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
            self._journal.open()
            self._journal.append(None, (), self._received, self._delivered)
        except JournalError as error:
            self._broken = str(error)
            return False
        self._received.clear()
        self._delivered.clear()
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

    def undelivered(self) -> list[PendingDelivery]:
        """The alert steps that have to be delivered through another connection."""
        try:
            pending = self._journal.undelivered()
        except JournalError:
            pending = []  # the journal is in trouble, and known to be
        self._ids_in_use = {each.packet_id for each in pending}
        return pending

    def close(self, pipeline: Pipeline, now: Moment) -> None:
        """Leave everything so that the next process need not replay anything."""
        self.settle_writing(pipeline, wait=True)
        if self._active:
            self.checkpoint(pipeline, now)
            self.settle_writing(pipeline, wait=True)
        self._writer.shutdown()
        self._journal.close()


def _said(step: Step) -> list[Report]:
    return [report for report in step.reports if report.alert]


def checkpointer_of(config: Config) -> Checkpointer | None:
    """Make the checkpointer of a configuration; None where there is no place for journal and checkpoint."""
    folder = config.journal.folder
    return None if folder is None else Checkpointer(config.journal, folder, fingerprint_of(config))
