"""The checkpointer: what a process that dies leaves is what the next one goes on from, whatever happened to the
disk."""

import json
import os
import sqlite3
from collections.abc import Iterator
from concurrent.futures import wait
from itertools import count
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.adapters.storage.checkpoint import read_checkpoint, write_checkpoint
from monitor.adapters.storage.disk_store import DiskStore
from monitor.adapters.storage.settings import JournalConfig
from monitor.core.decode.json_format.settings import JsonFormat
from monitor.core.outputs.reports import Report
from monitor.core.ports import Delivery, OutboxRow
from monitor.core.sources.source import SourceSpec
from monitor.core.values.messages import Message, MessageBatch
from monitor.core.values.snapshots import StateError, encode_state
from monitor.durability.checkpointer import Checkpointer
from monitor.durability.outbox import Outbox
from monitor.durability.recovery import Recovered
from monitor.pipeline.pipeline import Moment, Pipeline, PipelineSettings, Step
from tests.doors import MemorySink, MemorySource
from tests.manifests import PERIOD, MeanSquareScorer, model_group_of
from tests.states.mutations import mutate

START = 1e9
SOURCE = SourceSpec(
    name="rows", topic="a/{device}", model="m", qos=1, format=JsonFormat(kind="json", timestamp="t", rows="r")
)
CALM, WILD = 1.0, 3.0


class Life:
    """One process: a pipeline and its checkpointer. What it delivers goes to `heard`; to die is to do nothing more."""

    def __init__(self, folder: Path, heard: list[Delivery], fingerprint: str = "one", **configured: float) -> None:
        self.heard = heard
        self.pipeline = Pipeline(
            (SOURCE,),
            {"m": model_group_of(k=1, n=1)},
            {"m": MeanSquareScorer()},
            PipelineSettings(commands_below="residuald"),
            float,
        )
        self.source, self.sink = MemorySource(), MemorySink()
        self.outbox = Outbox([self.sink])
        self.store = DiskStore(folder)
        self.checkpointer = Checkpointer(self.store, JournalConfig.model_validate(configured), fingerprint)
        sources = {self.source.name: self.source}
        self.recovered: Recovered = self.checkpointer.recover(self.pipeline, Moment(START, 0.0), sources, self.outbox)
        self.heard += self.sink.delivered

    def send(self, first: int, rows: int, value: float = CALM, token: int | None = 1) -> None:
        body = json.dumps({"t": START + first * PERIOD, "r": [[value]] * rows}).encode()
        now = Moment(START + (first + rows) * PERIOD, float(first))
        self.walk(Message("a/one", body, now.wall_seconds, token), now)

    def walk(self, message: Message | None, now: Moment) -> None:
        """One step, as the engine does it."""
        batch = None if message is None else MessageBatch.of([message])
        step = self.pipeline.step(batch, now)
        rows = self._rows(step)
        changed = bool(step.reports)
        if batch is not None and batch.tokens:
            progress = self.outbox.progress()
            self.checkpointer.keep(now, rows, progress, source=self.source, messages=batch, changed=changed)
        else:
            self.checkpointer.keep(now, rows, self.outbox.progress(), changed=changed)
        self._deliver(rows)

    def keep_house(self, now: Moment) -> Step:
        step = self.pipeline.housekeep(now)
        rows = self._rows(step)
        self.checkpointer.keep_housekeeping(now, rows, self.outbox.progress(), changed=bool(step.reports))
        self._deliver(rows)
        return step

    def _rows(self, step: Step) -> list[OutboxRow]:
        return self.outbox.rows_of(step.reports, self.checkpointer.known(step.reports, self.outbox.sinks))

    def _deliver(self, rows: list[OutboxRow]) -> None:
        self.outbox.deliver(rows)
        self.heard += [row.delivery for row in rows]

    def receive(self) -> None:
        """The sink gets further with all that it was given."""
        self.sink.get_further()
        self.walk(None, Moment(START, 0.0))

    def confirm(self) -> None:
        """The sink has delivered all that it was given."""
        self.sink.finish()
        self.walk(None, Moment(START, 0.0))

    def checkpoint(self) -> None:
        self.checkpointer.checkpoint(self.pipeline, Moment(START, 0.0), {self.source.name: self.source})
        self.checkpointer.settle_writing(self.pipeline, [self.sink.name], Moment(START, 0.0), wait=True)

    def start_over(self, fingerprint: str) -> None:
        """Go on with other settings, as after a reload."""
        sources, sinks = {self.source.name: self.source}, [self.sink.name]
        self.checkpointer.start_over(fingerprint, self.pipeline, Moment(START, 0.0), sources, sinks)

    def close(self) -> None:
        sources, sinks = {self.source.name: self.source}, [self.sink.name]
        self.checkpointer.close(self.pipeline, Moment(START, 0.0), sources, sinks)

    @property
    def scored(self) -> int:
        table = self.pipeline.model_groups["m"].streams
        return int(table.windows_scored[table.number["one"]]) if "one" in table.number else 0


def windows_in(samples: int) -> int:
    return max((samples - 8) // 4 + 1, 0)


def reason_of(delivery: Delivery) -> str:
    return str(msgspec.json.decode(delivery.payload)["reason"])


def phases(heard: list[Delivery]) -> list[str]:
    return [msgspec.json.decode(each.payload)["phase"] for each in heard]


def test_a_process_that_dies_has_lost_nothing(tmp_path: Path) -> None:
    one = Life(tmp_path, [])
    for at in range(10):
        one.send(at * 5, 5)
    two = Life(tmp_path, [])
    assert two.scored == windows_in(50) == one.scored
    two.send(50, 6)
    assert two.scored == windows_in(56)
    assert two.checkpointer.messages_replayed == 10


pieces = st.lists(st.tuples(st.integers(1, 9), st.sampled_from([CALM, CALM, WILD])), min_size=1, max_size=25)


@settings(max_examples=30)
@given(pieces, st.lists(st.sampled_from(["go on", "go on", "die", "checkpoint", "close", "confirm"]), max_size=25))
def test_whenever_processes_die_windows_and_alerts_are_those_of_one_that_lives(
    tmp_path_factory: pytest.TempPathFactory, sent: list[tuple[int, float]], events: list[str]
) -> None:
    heard: list[Delivery] = []
    lived = Life(tmp_path_factory.mktemp("lived"), [])
    folder = tmp_path_factory.mktemp("died")
    life, first = Life(folder, heard), 0
    for number, (rows, value) in enumerate(sent):
        lived.send(first, rows, value)
        life.send(first, rows, value)
        first += rows
        event = events[number] if number < len(events) else "go on"
        if event in {"checkpoint", "confirm"}:
            getattr(life, event)()
        if event == "close":
            life.close()
        if event in {"die", "close"}:
            life = Life(folder, heard)
        assert life.scored == lived.scored
    assert list(dict.fromkeys(each.key for each in heard)) == [each.key for each in lived.heard]
    assert life.pipeline.counters.received == lived.pipeline.counters.received
    assert life.checkpointer.messages_kept == len(sent)


def test_an_alert_that_the_broker_did_not_confirm_is_said_again_and_one_that_it_did_is_not(tmp_path: Path) -> None:
    Life(tmp_path, []).send(0, 8, WILD)
    again = Life(tmp_path, [])
    assert phases(again.heard) == ["pending", "firing"]
    again.confirm()
    assert phases(Life(tmp_path, []).heard) == []


def test_a_delivery_goes_on_with_its_progress_in_the_next_process(tmp_path: Path) -> None:
    one = Life(tmp_path, [])
    one.send(0, 8, WILD)
    two = Life(tmp_path, [])
    assert two.heard == [each.at(each.progress, begun=True) for each in one.heard]
    two.receive()
    three = Life(tmp_path, [])
    assert three.heard == [each.at(b"received", begun=True) for each in one.heard]


def test_a_delivery_is_begun_once_also_where_its_windows_are_judged_again(tmp_path: Path) -> None:
    life = Life(tmp_path, [])
    life.send(0, 8, WILD)
    again = Life(tmp_path, [])
    assert [len(each.sink.begun) for each in (life, again)] == [2, 0]


def test_what_is_committed_of_a_source_is_remembered_also_after_a_checkpoint(tmp_path: Path) -> None:
    one = Life(tmp_path, [])
    one.send(0, 5, token=3)
    one.checkpoint()
    assert Life(tmp_path, []).source.remembered == b"3"
    one.send(5, 5, token=4)
    assert Life(tmp_path, []).source.remembered == b"4"


def test_what_a_checkpoint_holds_is_not_walked_again_even_where_the_journal_still_has_it(tmp_path: Path) -> None:
    one = Life(tmp_path, [])
    one.send(0, 50)
    one.checkpointer.checkpoint(one.pipeline, Moment(START, 0.0), {})
    wait([one.checkpointer._writing[0]] if one.checkpointer._writing else ())  # and dies before the journal forgets
    assert one.checkpointer.nbytes > 0
    two = Life(tmp_path, [])
    assert (two.scored, two.checkpointer.messages_replayed) == (windows_in(50), 0)


def test_a_step_that_was_given_to_a_sink_before_is_not_given_to_it_again(tmp_path: Path) -> None:
    life = Life(tmp_path, [])
    life.send(0, 8, WILD)
    said = [Report("one/alert", each.payload, retain=False, step=each.key) for each in life.heard]
    assert life.outbox.rows_of(said, life.checkpointer.known(said, life.outbox.sinks)) == []


def test_a_checkpoint_empties_the_journal(tmp_path: Path) -> None:
    one = Life(tmp_path, [])
    one.send(0, 50)
    assert one.checkpointer.nbytes > 0
    one.checkpoint()
    assert one.checkpointer.nbytes == 0
    two = Life(tmp_path, [])
    assert (two.scored, two.checkpointer.messages_replayed) == (windows_in(50), 0)


def test_a_checkpoint_of_other_settings_is_not_used_and_its_open_alert_is_resolved(tmp_path: Path) -> None:
    one = Life(tmp_path, [])
    one.send(0, 8, WILD)
    one.confirm()
    one.checkpoint()
    two = Life(tmp_path, [], fingerprint="two")
    assert two.checkpointer.discarded == {"settings": 1}
    assert two.scored == 0
    assert phases(two.heard) == ["resolved"]
    assert (reason_of(two.heard[0]), two.pipeline.counters.alert_ends) == ("reconfigured", {"reconfigured": 1})
    assert two.heard[0].key.alert == one.heard[0].key.alert
    assert two.heard[0].key.step == one.heard[-1].key.step + 1
    two.confirm()
    assert phases(Life(tmp_path, [], fingerprint="two").heard) == []


def test_what_is_too_old_is_not_taken_up_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Life(tmp_path, [])
    one.send(0, 5)
    one.checkpoint()
    one.send(5, 5)
    late = Life(tmp_path / "other", [])
    checkpointer = Checkpointer(DiskStore(tmp_path), JournalConfig(max_age_seconds=10), "one")
    checkpointer.recover(late.pipeline, Moment(START + 11, 0.0), {}, late.outbox)
    assert (checkpointer.discarded, checkpointer.dropped) == ({"too_old": 1}, {"too_old": 1})
    assert late.scored == 0


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "other"])
def test_a_damaged_checkpoint_is_not_used_and_the_journal_still_is(tmp_path: Path, damage: str) -> None:
    one = Life(tmp_path, [])
    one.send(0, 20)
    one.checkpoint()
    one.send(20, 20)
    file = tmp_path / "checkpoint"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes({"cut": bytes(data[:-9]), "flip": bytes(data), "empty": b"", "other": b"x" * 99}[damage])
    two = Life(tmp_path, [])
    assert two.checkpointer.discarded == {"damaged": 1}
    assert two.scored == windows_in(20)  # of what the journal still held
    assert two.checkpointer.trouble is None


@pytest.mark.parametrize("damage", [b"no database at all, but long enough to look at" * 9, None])
def test_a_damaged_database_is_moved_aside_and_a_fresh_one_is_used(tmp_path: Path, damage: bytes | None) -> None:
    one = Life(tmp_path, [])
    one.send(0, 40)
    one.close()
    file = tmp_path / "journal.sqlite"
    data = file.read_bytes()
    file.write_bytes(damage or data[:100] + bytes(len(data) - 100))
    two = Life(tmp_path, [])
    assert two.checkpointer.moved_aside == 1
    assert len(list(tmp_path.glob("journal.sqlite.damaged-*"))) == 1
    assert two.scored == windows_in(40)  # the checkpoint has it
    two.send(40, 8)
    assert Life(tmp_path, []).scored == windows_in(48)


@pytest.fixture
def held(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Somebody else who may hold the database."""
    Life(tmp_path, []).close()
    database = sqlite3.connect(tmp_path / "journal.sqlite", isolation_level=None)
    yield database
    database.close()


def test_while_the_journal_cannot_be_written_scoring_goes_on_and_afterwards_it_is_whole_again(
    tmp_path: Path, held: sqlite3.Connection
) -> None:
    one = Life(tmp_path, [])
    one.send(0, 20)
    held.execute("BEGIN IMMEDIATE")
    one.send(20, 20, WILD)
    one.send(40, 20)
    assert one.checkpointer.trouble == "a crash would lose data: database is locked"
    assert one.checkpointer.dropped == {"disk": 2}
    assert one.scored == windows_in(60)
    assert phases(one.heard) == ["pending", "firing", "resolved"]
    held.execute("COMMIT")
    assert not one.checkpointer.is_due(0.0)  # not at every turn
    tries = count(1)
    while not one.checkpointer.is_due(3600.0 * next(tries)):
        pass
    one.checkpoint()
    assert one.checkpointer.trouble is None
    one.send(60, 8)
    two = Life(tmp_path, [])
    assert two.scored == windows_in(68)
    assert two.pipeline.open_alerts == one.pipeline.open_alerts


def test_a_full_journal_drops_says_so_and_starts_anew_with_a_checkpoint(tmp_path: Path) -> None:
    one = Life(tmp_path, [], max_bytes=1024 * 1024)
    first = 0
    while one.checkpointer.trouble is None:
        one.send(first, 2000)
        first += 2000
        assert one.checkpointer.nbytes <= 1024 * 1024
    assert "max_bytes" in one.checkpointer.trouble
    assert one.checkpointer.dropped == {"max_bytes": 1}
    assert one.checkpointer.is_due(0.0)
    one.checkpoint()
    assert one.checkpointer.trouble is None
    one.send(first, 2000)
    assert Life(tmp_path, []).scored == windows_in(first + 2000)


def test_a_folder_that_cannot_be_made_is_trouble_and_no_end(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    one = Life(tmp_path / "file", [])
    one.send(0, 20)
    assert one.scored == windows_in(20)
    assert "file" in (one.checkpointer.trouble or "")
    one.close()


def test_where_nobody_waits_for_an_acknowledgement_no_message_is_written(tmp_path: Path) -> None:
    one = Life(tmp_path, [])
    one.send(0, 50, token=None)
    one.keep_house(Moment(START + 99, 99.0))
    assert one.checkpointer.commit_seconds.cumulative()[-1] == 0
    assert one.checkpointer.nbytes == 0


def test_a_checkpoint_is_due_when_a_state_changed_whatever_qos_messages_had_and_not_before_the_next_change(
    tmp_path: Path,
) -> None:
    one = Life(tmp_path, [])
    assert not one.checkpointer.is_due(1e9)
    one.send(0, 50, token=None)
    assert one.checkpointer.is_due(1e9)
    one.checkpoint()
    one.send(50, 50, token=None)
    assert not one.checkpointer.is_due(1e9)
    one.send(100, 8, WILD, token=None)
    assert one.checkpointer.is_due(1e9)


def test_a_process_that_never_had_a_stream_leaves_no_checkpoint(tmp_path: Path) -> None:
    Life(tmp_path, []).close()
    assert not (tmp_path / "checkpoint").exists()


@pytest.mark.parametrize("checkpoints", [0, 1])
def test_an_alert_of_qos_0_goes_on_after_a_clean_restart_and_nothing_is_told(tmp_path: Path, checkpoints: int) -> None:
    one = Life(tmp_path, [])
    one.send(0, 20, token=None)
    for _ in range(checkpoints):  # the alert opens after the last one
        one.checkpoint()
    one.send(20, 20, WILD, token=None)
    one.confirm()
    one.close()
    two = Life(tmp_path, [])
    assert two.heard == []
    two.send(40, 20, WILD, token=None)
    assert two.heard == []
    two.send(60, 60, token=None)
    assert phases(two.heard) == ["resolved"]
    assert (two.heard[0].key.alert, reason_of(two.heard[0])) == (one.heard[0].key.alert, "calm")


def test_an_alert_of_qos_0_whose_process_died_before_a_checkpoint_is_lost_after_its_last_step(tmp_path: Path) -> None:
    one = Life(tmp_path, [])
    one.send(0, 20, WILD, token=None)
    one.confirm()
    two = Life(tmp_path, [])
    (told,) = two.heard
    fields, last = json.loads(told.payload), json.loads(one.heard[-1].payload)
    assert last["phase"] == "firing"
    assert fields == last | {"phase": "resolved", "reason": "lost"}
    assert told.key == (one.heard[0].key.alert, 2)
    assert two.pipeline.counters.alert_ends == {"lost": 1}


def test_an_alert_of_qos_0_whose_end_was_told_after_the_checkpoint_is_over_for_the_next_process(tmp_path: Path) -> None:
    one = Life(tmp_path, [])
    one.send(0, 20, WILD, token=None)
    one.checkpointer.checkpoint(one.pipeline, Moment(START, 0.0), {})
    one.send(20, 60, token=None)
    one.confirm()
    assert phases(one.heard) == ["pending", "firing", "resolved"]
    one.checkpointer.settle_writing(one.pipeline, [one.sink.name], Moment(START, 0.0), wait=True)
    two = Life(tmp_path, [])
    assert (two.heard, two.pipeline.open_alerts) == ([], set())
    two.send(80, 20, WILD, token=None)
    assert phases(two.heard) == ["pending", "firing"]
    assert two.heard[0].key.alert != one.heard[0].key.alert


def test_a_new_configuration_keeps_what_is_not_delivered_of_alerts_that_stay_open(tmp_path: Path) -> None:
    one = Life(tmp_path, [])
    one.send(0, 8, WILD)
    one.start_over("two")
    two = Life(tmp_path, [], fingerprint="two")
    assert phases(two.heard) == ["pending", "firing"]
    assert two.pipeline.open_alerts == {one.heard[0].key.alert}


def test_a_process_that_dies_right_after_a_new_configuration_loses_nothing_of_the_streams_that_go_on(
    tmp_path: Path,
) -> None:
    one = Life(tmp_path, [])
    one.send(0, 20)
    one.start_over("two")
    two = Life(tmp_path, [], fingerprint="two")
    assert two.scored == one.scored == windows_in(20)
    assert (two.checkpointer.messages_replayed, two.checkpointer.discarded) == (0, {})


def test_a_new_configuration_while_no_checkpoint_can_be_written_lets_nothing_of_before_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Life(tmp_path, [])
    one.send(0, 20)
    one.checkpoint()
    one.send(20, 20)
    with monkeypatch.context() as broken:
        broken.setattr(Path, "replace", _fail)
        one.start_over("two")
    assert one.checkpointer.trouble is not None
    two = Life(tmp_path, [], fingerprint="two")
    assert (two.scored, two.checkpointer.messages_replayed, two.checkpointer.discarded) == (0, 0, {})


def _fail(*_: object) -> None:
    raise OSError("the disk is gone")


def test_housekeeping_that_forgot_a_stream_is_replayed(tmp_path: Path) -> None:
    one = Life(tmp_path, [])
    one.send(0, 8, WILD)
    late = Moment(START + 4000, 4000.0)
    assert one.keep_house(late).reports
    two = Life(tmp_path, [])
    assert len(two.pipeline.model_groups["m"].streams) == 0
    assert two.pipeline.open_alerts == set()
    assert phases(two.heard) == ["pending", "firing", "resolved"]


def test_a_checkpoint_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint"
    write_checkpoint(file, encode_state({"a": 1}))
    (tmp_path / "checkpoint.new").mkdir()
    with pytest.raises(IsADirectoryError):
        write_checkpoint(file, encode_state({"a": 2}))
    assert read_checkpoint(file) == {"a": 1}


@settings(max_examples=60)
@given(data=st.data())
def test_whatever_lies_there_a_process_starts_and_goes_on(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("kept")
    one = Life(folder, [])
    one.send(0, 20)
    one.checkpoint()
    one.send(20, 20)
    state = read_checkpoint(folder / "checkpoint")
    assert state is not None
    mutate(data, state)
    write_checkpoint(folder / "checkpoint", encode_state(state))
    two = Life(folder, [])
    assert two.recovered.trouble is None
    used = two.recovered.checkpoint_seconds is not None
    assert used or sum(two.checkpointer.discarded.values()) == 1
    two.send(40, 20)
    assert two.scored >= windows_in(20)
    two.close()


def test_a_step_that_cannot_be_walked_through_again_is_left_out_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Life(tmp_path, [])
    one.send(0, 20)
    one.send(20, 10, value=7.0)
    one.send(30, 20)
    step = Pipeline.step

    def stumble(self: Pipeline, batch: MessageBatch | None, now: Moment, *, everything: bool = False) -> Step:
        if batch is not None and any(b"7.0" in payload for payload in batch.payload):
            raise ZeroDivisionError
        return step(self, batch, now, everything=everything)

    monkeypatch.setattr(Pipeline, "step", stumble)
    two = Life(tmp_path, [])
    assert two.checkpointer.dropped == {"error": 1}
    assert (two.recovered.trouble, two.recovered.messages_replayed) == (None, 2)
    assert two.scored == 2 * windows_in(20)


def test_an_error_that_nobody_thought_of_is_no_reason_not_to_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Life(tmp_path, [])
    one.send(0, 20)
    one.checkpoint()
    one.send(20, 20)
    with monkeypatch.context() as broken:
        broken.setattr(Pipeline, "restore", lambda *_: os.environ["RESIDUALD_MISSING"])
        broken.setattr(DiskStore, "undelivered", lambda *_: os.environ["RESIDUALD_MISSING"])
        two = Life(tmp_path, [])
        assert two.checkpointer.discarded == {"damaged": 1}
        assert two.checkpointer.trouble is not None
    two.send(40, 20)
    two.checkpoint()
    assert two.checkpointer.trouble is None
    assert Life(tmp_path, []).recovered.trouble is None


def test_no_checkpoint_is_no_error_and_another_version_is_one(tmp_path: Path) -> None:
    assert read_checkpoint(tmp_path / "checkpoint") is None
    (tmp_path / "checkpoint").write_bytes(b"RSDCHKP\x04" + bytes(20))
    with pytest.raises(StateError, match="version"):
        read_checkpoint(tmp_path / "checkpoint")


def test_a_checkpoint_is_on_the_disk_before_it_takes_the_place_of_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def spy_fsync(descriptor: int) -> None:
        done.append("fsync " + Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    def spy_replace(self: Path, target: Path) -> Path:
        done.append("replace " + self.name)
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", spy_fsync)
    monkeypatch.setattr(Path, "replace", spy_replace)
    write_checkpoint(tmp_path / "checkpoint", encode_state({"a": 1}))
    assert done == ["fsync checkpoint.new", "replace checkpoint.new", f"fsync {tmp_path.name}"]


def test_a_mute_is_replayed_and_ends_when_it_would_have_however_long_the_replay_covers(tmp_path: Path) -> None:
    life = Life(tmp_path, [])
    life.send(0, 8)
    life.walk(Message("residuald/one/set/mute", b"1h", START + 1, 2), Moment(START + 1, 1.0))
    for at in (300, 600, 900):
        life.send(round(at / PERIOD), 8, token=3 + at)
        life.keep_house(Moment(START + at + 60, at + 60.0))  # silent by now, which is something to note
    again = Life(tmp_path, [])
    assert again.recovered.messages_replayed == 5
    assert again.pipeline.model_groups["m"].mutes.until("one") == START + 1 + 3600
    assert again.pipeline.counters.commands == {("mute", "accepted"): 1}
