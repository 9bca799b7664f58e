"""Recovery: a new process goes on where the last one committed.

It restores the checkpoint, walks through the steps that the journal holds after it, and hands over what is still to be
delivered. Whatever is wrong with what the last process left is logged and counted, never raised.
"""

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import structlog

from monitor.adapters.storage.settings import JournalConfig
from monitor.core.alerting.end_reason import EndReason
from monitor.core.outputs.journal_record import RecordError, decode_step
from monitor.core.outputs.reports import Report, model_of, resolved_report
from monitor.core.ports import DamagedError, Delivery, Source, Store, StoreError
from monitor.core.values.snapshots import Count, StateError, typed
from monitor.durability.outbox import Outbox
from monitor.pipeline.pipeline import Moment, Pipeline
from monitor.pipeline.pipeline_state import remember_into

log = structlog.get_logger()

MQTT = "mqtt"  # the source of messages, in records


@dataclass(slots=True)
class Recovered:
    """What a new process goes on with.

    resume: of each source by name, what it has to know of messages that are committed. messages_kept: ever;
    messages_replayed: now. dropped: messages that the journal did not keep or that were not used, by reason; discarded:
    checkpoints, or parts of them, that were not used, by reason. checkpoint_seconds: when the checkpoint was written,
    epoch. trouble: why the journal cannot be used.
    """

    resume: dict[str, bytes] = field(default_factory=dict)
    messages_kept: int = 0
    messages_replayed: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    discarded: Counter[str] = field(default_factory=Counter)
    checkpoint_seconds: float | None = None
    trouble: str | None = None


class _Checkpoint(msgspec.Struct):
    """The table of a checkpoint, as `Checkpointer.checkpoint` makes it."""

    journal: str
    through: Count
    settings: str
    wall_seconds: float
    resume: dict[str, bytes]
    kept: Count
    dropped: dict[str, Count]
    pipeline: dict[str, Any]


class Recovery:
    """Brings one fresh pipeline to where the last process committed.

    fingerprints: each stands for the settings that the state depends on. sources: by name.
    """

    def __init__(
        self,
        store: Store,
        settings: JournalConfig,
        fingerprints: tuple[str, ...],
        sources: Mapping[str, Source],
        outbox: Outbox,
    ) -> None:
        self._store = store
        self._settings = settings
        self._fingerprints = fingerprints
        self._sources = sources
        self._outbox = outbox
        self._found = Recovered()
        self._other_models: set[str] = set()  # whose artifacts have other channels
        self._resumes: dict[str, list[bytes]] = {}

    def run(self, pipeline: Pipeline, now: Moment) -> Recovered:
        """Recover, once."""
        began = time.monotonic()
        found = self._found
        checkpoint = self._read_checkpoint(pipeline, now)
        delivered = 0
        try:
            self._store.open()
            through = checkpoint.through if checkpoint and checkpoint.journal == self._store.id else 0
            for name in self._outbox.sinks:
                undelivered = self._store.undelivered(name)
                self._outbox.deliver_again(name, undelivered)
                delivered += len(undelivered)
            delivered += self._replay(pipeline, through, now)
        except StoreError as error:
            found.trouble = str(error)
        except Exception as error:
            log.exception("the journal cannot be walked through; what comes is scored all the same")
            found.trouble = f"{type(error).__name__}: {error}"
        self._remember()
        pipeline.resume(now.wall_seconds)
        if checkpoint or found.messages_replayed:
            log.info(
                "recovered",
                streams=sum(len(model_group.streams) for model_group in pipeline.model_groups.values()),
                messages=found.messages_replayed,
                deliveries=delivered,
                seconds=round(time.monotonic() - began, 3),
            )
        return found

    def _read_checkpoint(  # noqa: PLR0911 - one return for each way of being of no use
        self, pipeline: Pipeline, now: Moment
    ) -> "_Checkpoint | None":
        found = self._found
        try:
            state = self._store.read_checkpoint()
            checkpoint = None if state is None else typed(state, _Checkpoint)
        except StoreError as error:
            return self._discard("disk", str(error))
        except StateError as error:
            return self._discard(error.reason, str(error))
        if checkpoint is None:
            return None
        # the sources do not care about settings or age
        self._resumes = {name: [resume] for name, resume in checkpoint.resume.items()}
        if now.wall_seconds - checkpoint.wall_seconds > self._settings.max_age_seconds:
            _remember_normals(pipeline, checkpoint.pipeline)
            return self._discard("too_old", f"older than max_age_seconds ({self._settings.max_age_seconds:g})")
        if checkpoint.settings not in self._fingerprints:
            _remember_normals(pipeline, checkpoint.pipeline)
            return self._discard("settings", "the configuration has changed")
        try:
            refusals = pipeline.restore(checkpoint.pipeline)
        except StateError as error:
            return self._discard(error.reason, str(error))
        except Exception as error:
            log.exception("restoring met an unexpected error")
            return self._discard("damaged", f"{type(error).__name__}: {error}")
        for reason, detail, model in refusals:
            found.discarded[reason] += 1
            log.warning("a part of the checkpoint is not used; streams begin it anew", reason=reason, detail=detail)
            if reason == "channels":
                self._other_models.add(model)
        found.checkpoint_seconds = checkpoint.wall_seconds
        found.messages_kept = checkpoint.kept
        found.dropped.update(checkpoint.dropped)
        return checkpoint

    def _discard(self, reason: str, why: str) -> "_Checkpoint | None":
        self._found.discarded[reason] += 1
        log.warning("the checkpoint is not used; streams start over", reason=reason, detail=why)
        return None

    def _replay(self, pipeline: Pipeline, through: int, now: Moment) -> int:
        """Walk again through what the journal holds; how many deliveries came of it that no process had begun."""
        said: list[Report] = []
        try:
            for data in self._store.steps(through):
                said += self._replay_step(pipeline, data, now)
        except (DamagedError, RecordError) as error:
            self._store.replace(str(error))
        step = pipeline.step(None, Moment(now.wall_seconds, time.monotonic()), everything=True)
        begun = self._begin([*said, *step.reports], now)
        _drop_alerts(pipeline, self._store.ended(pipeline.open_alerts))
        lost = self._store.unended(pipeline.open_alerts)
        for delivery in lost:
            pipeline.counters.count_end(self._why_lost(delivery))
        return begun + self._begin([resolved_report(each, self._why_lost(each)) for each in lost], now)

    def _why_lost(self, last: Delivery) -> EndReason:
        """Why nobody goes on with an alert, by the last step of it that was delivered."""
        fits = not self._found.discarded["settings"] and model_of(last) not in self._other_models
        return EndReason.LOST if fits else EndReason.RECONFIGURED

    def _replay_step(self, pipeline: Pipeline, data: bytes, now: Moment) -> Iterable[Report]:
        found, record = self._found, decode_step(data)
        count = 0 if record.messages is None else len(record.messages)
        if now.wall_seconds - record.wall_seconds > self._settings.max_age_seconds:
            found.dropped["too_old"] += count
            return ()
        moment = Moment(record.wall_seconds, time.monotonic())
        try:
            if record.messages is None:
                step = pipeline.housekeep(moment, again=True)
            else:
                step = pipeline.step(record.messages, moment)
        except Exception:  # a process that ends by what it has journaled would do so at each start
            log.exception("a step of the journal cannot be walked through again; it is left out", messages=count)
            found.dropped["error"] += count
            return ()
        for name, resume in record.resume.items():
            self._resumes.setdefault(name, []).append(resume)
        found.messages_replayed += count
        found.messages_kept += count
        return step.reports

    def _begin(self, reports: list[Report], now: Moment) -> int:
        """Commit deliveries that are new, and hand them over."""
        keys = [report.step for report in reports if report.step is not None]
        known = {name: self._store.known(name, keys) for name in self._outbox.sinks}
        rows = self._outbox.rows_of(reports, known)
        if rows:
            self._store.append(None, rows, (), now.wall_seconds)
            self._outbox.deliver(rows)
        return len(rows)

    def _remember(self) -> None:
        """Tell the sources what is committed of them. What a source left that is not configured any more is dropped."""
        for name, source in self._sources.items():
            resumes = self._resumes.get(name)
            if resumes:
                self._found.resume[name] = source.merge(resumes)
                source.remember(self._found.resume[name])


def _remember_normals(pipeline: Pipeline, state: object) -> None:
    """Let a pipeline remember what streams had learnt, whatever else of a state cannot be used."""
    try:
        streams = remember_into(pipeline.model_groups, state)
    except StateError as error:
        log.warning("what streams had learnt is of no use either; they learn anew", reason=str(error))
    else:
        if streams:
            log.info("what streams had learnt is kept", streams=streams)


def _drop_alerts(pipeline: Pipeline, ids: set[str]) -> None:
    """End open alerts whose end was told already: the checkpoint is older, and messages of QoS 0 are not replayed.

    Left open, an alert would go on under an id that is over, and a fault that follows would be told to nobody.
    """
    for model_group in pipeline.model_groups.values() if ids else ():
        for step in model_group.alerts.open_steps():
            if step.id in ids:
                model_group.end_alert(step.stream, EndReason.LOST)
