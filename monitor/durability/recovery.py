"""Recovery: a new process goes on where the last one committed.

It loads the checkpoint, walks through the steps that the journal holds after it, and finds out which alert steps are
still owed to the broker. Whatever is wrong with what the last process left is logged and counted, never raised.
"""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from monitor.adapters.mqtt.inbound_session import contents_of
from monitor.adapters.mqtt.outbound_session import PacketIds
from monitor.adapters.storage.checkpoint import read_checkpoint
from monitor.adapters.storage.journal import DamagedError, Journal, JournalError, PendingDelivery
from monitor.config.model import JournalConfig
from monitor.core.outputs.journal_record import RecordError, decode_step
from monitor.core.outputs.reports import Report, resolved_report
from monitor.core.values.snapshots import State, StateError
from monitor.pipeline.pipeline import Moment, Pipeline

log = structlog.get_logger()

MQTT = "mqtt"  # the source of messages, in records


@dataclass(slots=True)
class Recovered:
    """What a new process has to go on with.

    owed: alert steps to deliver. safe: what the former process had journaled, the checksum of the content by packet
    identifier; the broker may deliver it again. messages_kept: ever; messages_replayed: now. dropped: messages that the
    journal did not keep or that were not used, by reason; discarded: checkpoints that were not used, by reason.
    checkpoint_seconds: when the checkpoint was written, epoch. trouble: why the journal cannot be used.
    """

    pending: tuple[PendingDelivery, ...] = ()
    safe: dict[int, int] = field(default_factory=dict)
    messages_kept: int = 0
    messages_replayed: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    discarded: Counter[str] = field(default_factory=Counter)
    checkpoint_seconds: float | None = None
    trouble: str | None = None


class Recovery:
    """Brings one fresh pipeline to where the last process committed.

    file: the checkpoint. settings_digest: stands for the settings that the state depends on. ids: hands out the packet
    identifiers of alert steps that were not said before.
    """

    def __init__(
        self, journal: Journal, file: Path, settings: JournalConfig, settings_digest: str, ids: PacketIds
    ) -> None:
        self._journal = journal
        self._file = file
        self._settings = settings
        self._digest = settings_digest
        self._ids = ids
        self._complete_windows = Recovered()

    def run(self, pipeline: Pipeline, now: Moment) -> Recovered:
        """Do it, once."""
        began = time.monotonic()
        found = self._complete_windows
        state = self._read_checkpoint(pipeline, now)
        try:
            self._journal.open()
            through = state["through"] if state and state["journal"] == self._journal.id else 0
            self._replay(pipeline, through, now)
            found.pending = tuple(self._journal.undelivered())
        except JournalError as error:
            found.trouble = str(error)
        pipeline.resume(now.wall_seconds)
        if state or found.messages_replayed:
            log.info(
                "recovered",
                streams=sum(len(model_group.streams) for model_group in pipeline.model_groups.values()),
                messages=found.messages_replayed,
                alert_steps=len(found.pending),
                seconds=round(time.monotonic() - began, 3),
            )
        return found

    def _read_checkpoint(  # noqa: PLR0911 - one return for each way of being of no use
        self, pipeline: Pipeline, now: Moment
    ) -> State | None:
        found = self._complete_windows
        try:
            state = read_checkpoint(self._file)
        except OSError as error:
            return self._discard("disk", error.strerror or str(error))
        except StateError as error:
            return self._discard("damaged", str(error))
        if state is None:
            return None
        found.safe = state["safe"]  # the broker does not care about settings or age
        if now.wall_seconds - state["wall_seconds"] > self._settings.max_age_seconds:
            return self._discard("too_old", f"older than max_age_seconds ({self._settings.max_age_seconds:g})")
        if state["settings"] != self._digest:
            return self._discard("settings", "the configuration has changed")
        try:
            pipeline.restore(state["pipeline"])
        except StateError as error:
            return self._discard("settings", str(error))
        found.checkpoint_seconds = state["wall_seconds"]
        found.messages_kept = state["kept"]
        found.dropped.update(state["dropped"])
        return state

    def _discard(self, reason: str, why: str) -> State | None:
        self._complete_windows.discarded[reason] += 1
        log.warning("the checkpoint is not used; streams start over", reason=reason, detail=why)
        return None

    def _replay(self, pipeline: Pipeline, through: int, now: Moment) -> None:
        """Walk again through what the journal holds, and note what that says of alerts."""
        said: list[Report] = []
        try:
            for data in self._journal.steps(through):
                said += self._replay_step(pipeline, data, now)
        except (DamagedError, RecordError) as error:
            self._journal.replace(str(error))
        step = pipeline.step(None, Moment(now.wall_seconds, time.monotonic()), everything=True)
        said += [report for report in step.reports if report.alert]
        self._journal.append(None, self._pending(said))
        lost = [resolved_report(report) for report in self._journal.unresolved(pipeline.open_alerts)]
        self._journal.append(None, self._pending(lost))

    def _replay_step(self, pipeline: Pipeline, data: bytes, now: Moment) -> Iterator[Report]:
        found, record = self._complete_windows, decode_step(data)
        messages = 0 if record.messages is None else len(record.messages)
        if now.wall_seconds - record.wall_seconds > self._settings.max_age_seconds:
            found.dropped["too_old"] += messages
            return
        moment = Moment(record.wall_seconds, time.monotonic())
        if record.messages is None:
            step = pipeline.housekeep(moment, again=True)
        else:
            step = pipeline.step(record.messages, moment)
        found.safe.update(record.legacy_receipts)
        found.safe.update(contents_of(record.resume.get(MQTT, b"")))
        found.messages_replayed += messages
        found.messages_kept += messages
        yield from (report for report in step.reports if report.alert)

    def _pending(self, said: list[Report]) -> list[PendingDelivery]:
        in_use = {pending.packet_id for pending in self._journal.undelivered()}
        pending = []
        for report in said:
            pending.append(PendingDelivery(report, self._ids.take(in_use)))
            in_use.add(pending[-1].packet_id)
        return pending
