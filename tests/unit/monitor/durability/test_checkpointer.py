"""The checkpointer: what a process that dies leaves is what the next one goes on from, whatever happened to the
disk."""

import json
import os
import sqlite3
from collections.abc import Iterator
from concurrent.futures import wait
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.adapters.mqtt.outbound_session import Delivery
from monitor.adapters.storage.checkpoint import read_checkpoint, write_checkpoint
from monitor.adapters.storage.journal import Journal, JournalError, PendingDelivery
from monitor.config.model import JournalConfig
from monitor.core.decode.json_format.settings import JsonFormat
from monitor.core.outputs.reports import Report
from monitor.core.sources.source import SourceSpec
from monitor.core.values.messages import Message, MessageBatch
from monitor.core.values.snapshots import StateError, encode_state
from monitor.durability.checkpointer import Checkpointer
from monitor.durability.recovery import Recovered
from monitor.pipeline.pipeline import Moment, Pipeline, PipelineSettings, Step
from tests.manifests import PERIOD, MeanSquareScorer, model_group_of

START = 1e9
SOURCE = SourceSpec(
    name="rows", topic="a/{device}", model="m", qos=1, format=JsonFormat(kind="json", timestamp="t", rows="r")
)
CALM, WILD = 1.0, 3.0


class Life:
    """One process: a pipeline and its checkpointer. What it publishes goes to `heard`; `die` leaves everything as it
    is."""

    def __init__(self, folder: Path, heard: list[Report], digest: str = "one", **configured: float) -> None:
        self.heard = heard
        self.pipeline = Pipeline(
            (SOURCE,),
            {"m": model_group_of(k=1, n=1)},
            {"m": MeanSquareScorer()},
            PipelineSettings(commands_below="residuald"),
            float,
        )
        self.checkpointer = Checkpointer(JournalConfig.model_validate(configured), folder, digest)
        self.recovered: Recovered = self.checkpointer.recover(self.pipeline, Moment(START, 0.0))
        self.heard += [pending.report for pending in self.recovered.pending]
        self.pending = list(self.recovered.pending)

    def send(self, first: int, rows: int, value: float = CALM, packet_id: int = 1) -> None:
        body = json.dumps({"t": START + first * PERIOD, "r": [[value]] * rows}).encode()
        now = Moment(START + (first + rows) * PERIOD, float(first))
        batch = MessageBatch.of([Message("a/one", body, now.wall_seconds, (packet_id, 1, 77))])
        step = self.pipeline.step(batch, now)
        pending = self.checkpointer.keep(batch, step, now)
        self.heard += [each.report for each in pending]
        self.pending += pending

    def receive(self) -> None:
        """The broker has received all that was published."""
        self.checkpointer.note(received=self._deliveries(), delivered=[])
        self.checkpointer.keep(None, self.pipeline.step(None, Moment(START, 0.0)), Moment(START, 0.0))

    def confirm(self) -> None:
        """The broker confirms all that was published."""
        self.checkpointer.note(received=[], delivered=self._deliveries())
        self.checkpointer.keep(None, self.pipeline.step(None, Moment(START, 0.0)), Moment(START, 0.0))

    def _deliveries(self) -> list[Delivery]:
        return [(packet_id, report.alert) for report, packet_id, _ in self.pending if report.alert]

    def checkpoint(self) -> None:
        self.checkpointer.checkpoint(self.pipeline, Moment(START, 0.0))
        self.checkpointer.settle_writing(self.pipeline, wait=True)

    def close(self) -> None:
        self.checkpointer.close(self.pipeline, Moment(START, 0.0))

    @property
    def scored(self) -> int:
        table = self.pipeline.model_groups["m"].streams
        return int(table.windows_scored[table.number["one"]]) if "one" in table.number else 0


def windows_in(samples: int) -> int:
    return max((samples - 8) // 4 + 1, 0)


def phases(heard: list[Report]) -> list[str]:
    return [report.alert[1] for report in heard if report.alert]


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
    heard: list[Report] = []
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
    assert list(dict.fromkeys(report.alert for report in heard)) == [report.alert for report in lived.heard]
    assert life.pipeline.counters.received == lived.pipeline.counters.received
    assert life.checkpointer.messages_kept == len(sent)


def test_an_alert_that_the_broker_did_not_confirm_is_said_again_and_one_that_it_did_is_not(tmp_path: Path) -> None:
    Life(tmp_path, []).send(0, 8, WILD)
    again = Life(tmp_path, [])
    assert phases(again.heard) == ["pending", "firing"]
    again.confirm()
    assert phases(Life(tmp_path, []).heard) == []


def test_a_step_goes_on_under_its_packet_identifier_and_what_the_broker_had_received_is_only_released(
    tmp_path: Path,
) -> None:
    one = Life(tmp_path, [])
    one.send(0, 8, WILD)
    two = Life(tmp_path, [])
    assert [each.packet_id for each in two.pending] == [each.packet_id for each in one.pending]
    assert [each.received for each in two.pending] == [False, False]
    two.receive()
    three = Life(tmp_path, [])
    assert three.pending == [PendingDelivery(report, packet_id, received=True) for report, packet_id, _ in one.pending]


def test_no_two_steps_under_way_share_a_packet_identifier(tmp_path: Path) -> None:
    life = Life(tmp_path, [])
    for number in range(6):
        life.send(number * 20, 20, (WILD, CALM)[number % 2])
        if number % 2:
            life = Life(tmp_path, [])
    packet_ids = [each.packet_id for each in life.pending]
    assert len(set(packet_ids)) == len(packet_ids) == 9


def test_what_was_journaled_is_known_by_packet_identifier_also_after_a_checkpoint(tmp_path: Path) -> None:
    one = Life(tmp_path, [])
    one.send(0, 5, packet_id=3)
    one.checkpoint()
    one.send(5, 5, packet_id=4)
    assert Life(tmp_path, []).recovered.safe == {3: 77, 4: 77}


def test_what_a_checkpoint_holds_is_not_walked_again_even_where_the_journal_still_has_it(tmp_path: Path) -> None:
    one = Life(tmp_path, [])
    one.send(0, 50)
    one.checkpointer.checkpoint(one.pipeline, Moment(START, 0.0))
    wait([one.checkpointer._writing[0]] if one.checkpointer._writing else ())  # and dies before the journal forgets
    assert one.checkpointer.nbytes > 0
    two = Life(tmp_path, [])
    assert (two.scored, two.checkpointer.messages_replayed) == (windows_in(50), 0)


def test_a_step_that_was_said_before_is_not_delivered_again(tmp_path: Path) -> None:
    life = Life(tmp_path, [])
    said = Step((), (Report("one/alert", b"{}", retain=False, alert=("a", "firing")),))
    assert [each.report for each in life.checkpointer.keep(None, said, Moment(START, 0.0))] == list(said.reports)
    assert life.checkpointer.keep(None, said, Moment(START, 0.0)) == []


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
    two = Life(tmp_path, [], digest="two")
    assert two.checkpointer.discarded == {"settings": 1}
    assert two.scored == 0
    assert phases(two.heard) == ["resolved"]
    assert two.heard[0].alert is not None
    assert two.heard[0].alert[0] == (one.heard[0].alert or ("",))[0]
    two.confirm()
    assert phases(Life(tmp_path, [], digest="two").heard) == []


def test_what_is_too_old_is_not_taken_up_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Life(tmp_path, [])
    one.send(0, 5)
    one.checkpoint()
    one.send(5, 5)
    late = Life(tmp_path / "other", [])
    checkpointer = Checkpointer(JournalConfig(max_age_seconds=10), tmp_path, "one")
    checkpointer.recover(late.pipeline, Moment(START + 11, 0.0))
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


def test_damaged_databases_do_not_pile_up(tmp_path: Path) -> None:
    for _ in range(4):
        (tmp_path / "journal.sqlite").write_bytes(b"nonsense" * 100)
        Life(tmp_path, []).close()
    assert len(list(tmp_path.glob("journal.sqlite.damaged-*"))) == 2


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


def test_without_anything_of_qos_1_nothing_is_written(tmp_path: Path) -> None:
    one = Life(tmp_path, [])
    now = Moment(START, 0.0)
    body = json.dumps({"t": START, "r": [[CALM]] * 50}).encode()
    step = one.pipeline.step(MessageBatch.of([Message("a/one", body, START)]), now)
    assert one.checkpointer.keep(None, step, now) == []
    one.checkpointer.keep_housekeeping(one.pipeline.housekeep(Moment(START + 99, 99.0)), now)
    assert one.checkpointer.commit_seconds.cumulative()[-1] == 0
    assert not one.checkpointer.is_due(1e9)
    one.close()
    assert not (tmp_path / "checkpoint").exists()


def test_after_start_over_nothing_of_before_comes_back(tmp_path: Path) -> None:
    one = Life(tmp_path, [])
    one.send(0, 20)
    one.checkpoint()
    one.send(20, 20)
    one.checkpointer.start_over("two")
    two = Life(tmp_path, [], digest="two")
    assert (two.scored, two.checkpointer.messages_replayed, two.checkpointer.discarded) == (0, 0, {})


def test_housekeeping_that_forgot_a_stream_is_replayed(tmp_path: Path) -> None:
    one = Life(tmp_path, [])
    one.send(0, 8, WILD)
    late = Moment(START + 4000, 4000.0)
    step = one.pipeline.housekeep(late)
    one.checkpointer.keep_housekeeping(step, late)
    assert step.reports
    two = Life(tmp_path, [])
    assert len(two.pipeline.model_groups["m"].streams) == 0
    assert two.pipeline.open_alerts == set()
    assert phases(two.heard) == ["pending", "firing", "resolved"]


def test_the_journal_keeps_commits_when_the_connection_is_never_closed(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite")
    journal.open()
    journal.append(b"one")
    journal.append(b"two")
    other = Journal(tmp_path / "journal.sqlite")
    other.open()
    assert list(other.steps(0)) == [b"one", b"two"]
    assert list(other.steps(1)) == [b"two"]
    assert (other.id, other.last, other.nbytes) == (journal.id, 2, 6)


def test_numbers_of_steps_are_never_used_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite")
    journal.open()
    journal.append(b"one")
    journal.forget(1, set())
    journal.close()
    journal.open()
    journal.append(b"two")
    assert journal.last == 2


def test_a_closed_journal_says_so() -> None:
    with pytest.raises(JournalError, match="not open"):
        Journal(Path("nowhere")).append(b"x")


def test_a_checkpoint_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint"
    write_checkpoint(file, encode_state({"a": 1}))
    (tmp_path / "checkpoint.new").mkdir()
    with pytest.raises(IsADirectoryError):
        write_checkpoint(file, encode_state({"a": 2}))
    assert read_checkpoint(file) == {"a": 1}


def test_no_checkpoint_is_no_error_and_another_version_is_one(tmp_path: Path) -> None:
    assert read_checkpoint(tmp_path / "checkpoint") is None
    (tmp_path / "checkpoint").write_bytes(b"RSDCHKP\x03" + bytes(20))
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


def test_the_database_is_one_that_a_power_cut_leaves_whole(tmp_path: Path) -> None:
    life = Life(tmp_path, [])
    database = life.checkpointer._journal._database
    assert database is not None
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert database.execute("PRAGMA synchronous").fetchone() == (1,)  # NORMAL


def test_a_mute_is_replayed_and_ends_when_it_would_have_however_long_the_replay_covers(tmp_path: Path) -> None:
    life = Life(tmp_path, [])
    life.send(0, 8)
    mute = MessageBatch.of([Message("residuald/one/set/mute", b"1h", START + 1, (2, 1, 77))])
    life.checkpointer.keep(mute, life.pipeline.step(mute, Moment(START + 1, 1.0)), Moment(START + 1, 1.0))
    for at in (300, 600, 900):
        life.send(round(at / PERIOD), 8, packet_id=3 + at)
        later = Moment(START + at + 60, at + 60.0)  # silent by now, which is something to note
        life.checkpointer.keep_housekeeping(life.pipeline.housekeep(later), later)
    again = Life(tmp_path, [])
    assert again.recovered.messages_replayed == 5
    assert again.pipeline.model_groups["m"].mutes.until("one") == START + 1 + 3600
    assert again.pipeline.counters.commands == {("mute", "accepted"): 1}
