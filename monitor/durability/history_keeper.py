"""The history keeper: the thread that writes the history, and what is to be seen of it.

The thread takes what the engine offers about once a second. It holds itself to a small share of the process's processor
time: after a turn it waits until the process has used enough for that, and it holds the samples of fewer slots where
its turns cost too much. Whatever is wrong with the file or the disk stops the history and nothing else, and is looked
at again every minute. The history stops before the journal suffers: while less is free on the disk than the journal may
still need.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from monitor.adapters.storage.history_forget import mark_of
from monitor.adapters.storage.history_store import HistoryStore
from monitor.adapters.storage.settings import HistoryConfig
from monitor.core.alerting.end_reason import EndReason
from monitor.core.ports import DamagedError, StoreError
from monitor.core.streams.model_group import ModelGroup
from monitor.durability.history_queue import HistoryQueue
from monitor.durability.history_sampler import HistorySampler
from monitor.durability.history_writer import HistoryWriter
from monitor.durability.label_keeper import LabelKeeper
from monitor.durability.turn_pace import Turn, TurnPace
from monitor.pipeline.pipeline import Pipeline, Step

log = structlog.get_logger()

_TURN_SECONDS = 1.0
_LONGEST_TURN_SECONDS = 8.0
_LEAST_REST_SECONDS = 0.05
_LONGEST_REST_SECONDS = 20.0  # alerts and labels wait, too
_WRITE_SECONDS = 10.0  # how long decided pieces may wait
_CARE_SECONDS = 60.0  # between looks at what is idle, too old or out of order
_RETRY_SECONDS = 60.0
_STOP_SECONDS = 1.0
_RESERVE_BYTES = 64 * 2**20  # that stay free beside what the journal may need


@dataclass(frozen=True, slots=True)
class HistoryState:
    """What is to be seen of the history: bytes of the file that hold something, stretches, when the oldest begins."""

    used_bytes: int = 0
    max_bytes: int = 0
    stretches: int = 0
    oldest_seconds: float | None = None


class HistoryKeeper:
    """The history of one daemon. All but `offer`, `start` and `close` belong to its own thread.

    labels: what commands say, on its way into the history. file: of the history. journal_bytes: what the journal may
    grow to. ages: by model, what is older in seconds is deleted. sha256_of: of a model's version. trouble: why nothing
    is kept for now; None while all is well.
    """

    def __init__(
        self,
        file: Path,
        settings: HistoryConfig,
        journal_bytes: int,
        sha256_of: Callable[[str, str], str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.queue = HistoryQueue(())
        self.labels = LabelKeeper(clock)
        self.ages: Mapping[str, float] = {}
        self.trouble: str | None = None
        self.state = HistoryState()
        self.processor_seconds = 0.0
        self._reserve_bytes = journal_bytes + _RESERVE_BYTES
        self._max_share = settings.max_processor_share
        self._clock = clock
        self._store = HistoryStore(file, settings.bound_bytes(_disk_bytes(file)))
        self._sampler = HistorySampler(
            lambda: self._store.shares, settings.max_write_bytes_per_second, sha256_of, time.monotonic()
        )
        self._writer = HistoryWriter(self._store, self._sampler, settings.whole_below_bytes_per_second)
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)
        self._next_try = self._next_care = 0.0
        self._last_write = time.monotonic()

    # --- the engine's side

    def use(self, models: Mapping[str, float | None]) -> None:
        """Keep the windows of these models. models: by name, after how many seconds they are deleted; None: never."""
        self.queue.models = frozenset(models)
        self.ages = {name: age for name, age in models.items() if age is not None}

    def begin(self, model_groups: Mapping[str, ModelGroup]) -> None:
        """Go on with the alerts that are open; before `start`."""
        self._sampler.begin({name: group for name, group in model_groups.items() if name in self.queue.models})

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def offer(self, step: Step, pipeline: Pipeline) -> None:
        """Take a step that is committed; it costs the engine a few references."""
        if self.queue.offer(step, pipeline.model_groups) and not self._wake.is_set():
            self._wake.set()

    def close(self) -> None:
        """Write what waits, as far as there is time, and end."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)

    @property
    def batches_dropped(self) -> int:
        """Scored batches that the history has not seen."""
        return self.queue.dropped

    @property
    def windows_without_samples(self) -> int:
        """Windows whose samples the history has not seen."""
        return self.queue.left_out

    @property
    def windows_thinned(self) -> int:
        """Windows that are in no score line."""
        return self._sampler.thinned

    @property
    def written_bytes(self) -> int:
        """Bytes written so far."""
        return self._store.written_bytes

    @property
    def moved_aside(self) -> int:
        """Damaged files that were put aside."""
        return self._store.moved_aside

    # --- the thread

    def _run(self) -> None:
        pace = TurnPace(self._max_share, _TURN_SECONDS, _LONGEST_TURN_SECONDS, _now())
        while not self._stopping.is_set():
            self._wake.wait(pace.wait_seconds)
            self._wake.clear()
            began, own = _now(), time.thread_time()
            self._turn(began.at_monotonic)
            self.processor_seconds = time.thread_time()
            over = pace.note(began._replace(cost_seconds=self.processor_seconds - own))
            if over > 1:
                self._sampler.hold_less(over)
            self._rest(pace)
        with suppress(StoreError):
            if self.trouble is None and self._store.is_open:
                self._take(time.monotonic())
                self._writer.write(time.monotonic(), everything=True)
                self._keep_labels()
        self._store.close()

    def _rest(self, pace: TurnPace) -> None:
        give_up = time.monotonic() + _LONGEST_REST_SECONDS
        while (owed := pace.owed_seconds(_now())) > 0 and time.monotonic() < give_up:
            if self._stopping.wait(min(max(owed, _LEAST_REST_SECONDS), _TURN_SECONDS)):
                return

    def _turn(self, now: float) -> None:
        try:
            if self.trouble is not None or not self._store.is_open:
                self._retry(now)
            if self.trouble is None:
                self._take(now)
                self._work(now)
                self._keep_labels()
        except DamagedError as error:
            self._stop(str(error))
            with suppress(StoreError):
                self._store.replace(str(error))
        except StoreError as error:
            self._stop(str(error))
        except Exception as error:  # the daemon goes on without a history, and says so
            log.exception("the history met an unexpected error")
            self._stop(f"{type(error).__name__}: {error}")
        if self.trouble is not None:
            batches, steps = self.queue.take()
            self._sampler.alerts.note_all(steps)
            self.queue.taken(batches)
            self.labels.refuse(self.trouble)

    def _take(self, now: float) -> None:
        batches, steps = self.queue.take()
        try:
            self._sampler.take(batches, steps, now)
        finally:
            self.queue.taken(batches)

    def _work(self, now: float) -> None:
        waited = now - self._last_write
        if self._writer.is_due(now) or (self._writer.waits and waited > _WRITE_SECONDS):
            self._require_room()
            self._mind_others()
            self._writer.write(now)
            self._last_write = now
            self._look()
        if now >= self._next_care:
            self._next_care = now + _CARE_SECONDS
            self._care(now)

    def _keep_labels(self) -> None:
        if self.labels.waits and self._store.run(self._work_on_labels):
            self._store.exempt_labelled()
            self._store.flush()

    def _work_on_labels(self, database: sqlite3.Connection) -> bool:
        """Write what commands say; whether that is anything new."""
        before = database.total_changes
        self.labels.work(database)
        return database.total_changes > before

    def _care(self, now: float) -> None:
        self._require_room()
        self._sampler.look_after(now)
        self._sampler.hold_more()
        self._mind_others()
        wall = self._clock()
        for age in set(self.ages.values()):
            self._store.forget_before({name for name, each in self.ages.items() if each == age}, wall - age)
        self._store.flush()
        self._look()

    def _mind_others(self) -> None:
        """Look what other processes have changed: streams to be forgotten, labels."""
        if not self._store.look_again():
            return
        marks = self._store.take_marks()
        for stream in self._sampler.streams() if marks else ():
            if mark_of(stream) in marks:
                self._sampler.drop(stream)
        self._store.exempt_labelled()
        self._store.flush()

    # --- trouble

    def _retry(self, now: float) -> None:
        if now < self._next_try:
            return
        self._next_try = now + _RETRY_SECONDS
        try:
            self._require_room()
            if not self._store.is_open:
                self._store.open()
                self._store.take_marks()  # of what a process before held in memory
                self._store.end_alerts_but(self._sampler.alerts.open_ids, self._clock(), EndReason.LOST)
                self._store.flush()
        except StoreError as error:
            self._stop(str(error))
            return
        if self.trouble is not None:
            log.info("the history goes on")
        self.trouble = None
        self._look()

    def _stop(self, why: str) -> None:
        if self.trouble is None:
            log.warning("nothing is kept in the history for now", reason=why)
        self.trouble = why
        self._sampler.lose()
        self._store.close()

    def _require_room(self) -> None:
        folder = self._store.file.parent
        status = os.statvfs(folder if folder.exists() else folder.parent)
        free = status.f_bavail * status.f_frsize
        if free < self._reserve_bytes:
            raise StoreError(
                f"the disk has {free:,} bytes left; below {self._reserve_bytes:,} they are the journal's alone"
            )

    def _look(self) -> None:
        store = self._store
        self.state = HistoryState(store.used_bytes, store.max_bytes, store.shares.stretches, store.oldest_seconds)


def _now() -> Turn:
    """What the process has used until now."""
    return Turn(time.process_time(), 0.0, time.monotonic())


def _disk_bytes(file: Path) -> int:
    """The size of the disk that a file lies on, or will."""
    folder = file.parent
    while not folder.exists():
        folder = folder.parent
    status = os.statvfs(folder)
    return status.f_blocks * status.f_frsize
