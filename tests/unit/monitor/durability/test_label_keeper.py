"""Labels that come by commands are kept once, by a thread that nobody waits for, and answer what alerts ask."""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor.adapters.storage.history_database import open_history
from monitor.adapters.storage.label_table import add_label, withdraw_label
from monitor.core.decode.json_format.settings import JsonFormat
from monitor.core.history.label import MAX_OPEN_PER_STREAM, OPEN, Label
from monitor.core.ports import StoreError
from monitor.core.sources.source import SourceSpec
from monitor.core.values.discards import Discard
from monitor.core.values.messages import Message, MessageBatch
from monitor.core.values.snapshots import decode_state, encode_state
from monitor.durability.label_keeper import LabelKeeper
from monitor.pipeline.labelling import MAX_WAITING
from monitor.pipeline.pipeline import Moment, Pipeline, PipelineSettings
from monitor.readers.label_rows import read_labels
from tests.manifests import PERIOD, MeanSquareScorer, manifest_of, model_group_of

START = 1_772_370_000.0
SOURCE = SourceSpec(
    name="motors", topic="m/{device}", model="m", qos=1, format=JsonFormat(kind="json", timestamp="t", rows="r")
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    database = open_history(tmp_path / "history.sqlite", ("history.sqlite",))
    yield database
    database.close()


class Operated:
    """A pipeline whose stream `seven` is open and whose labels go into a history."""

    def __init__(self, keeper: LabelKeeper | None, models: tuple[str, ...] = ("m",)) -> None:
        self.refused: list[tuple[str, Discard]] = []
        self.group = model_group_of(manifest_of(("x",)))
        self.pipeline = Pipeline(
            (SOURCE,),
            {"m": self.group},
            {"m": MeanSquareScorer()},
            PipelineSettings(commands_below="base", ask_after_seconds=2.0),
            lambda: 0.0,
            lambda source, topic, discard: self.refused.append((topic, discard)),
        )
        self.pipeline.labelling.use(keeper, models)
        self.seconds = 0.0

    def open(self, value: float = 0.5, seconds: float = 0.5) -> "Operated":
        for _ in range(round(seconds * 10)):
            body = {"t": START + self.seconds, "r": [[value]] * round(0.1 / PERIOD)}
            self.seconds += 0.1
            self._step(Message("m/seven", json.dumps(body).encode(), START + self.seconds))
        return self

    def say(self, payload: Any, command: str = "label", stream: str = "seven", *, retained: bool = False) -> None:
        body = json.dumps(payload).encode()
        self._step(Message(f"base/{stream}/set/{command}", body, START + self.seconds, retained=retained))

    def _step(self, message: Message) -> None:
        now = Moment(START + self.seconds, self.seconds)
        self.pipeline.step(MessageBatch.of([message]), now, everything=True)

    def keep_house(self) -> None:
        self.seconds += 1.0
        self.pipeline.housekeep(Moment(START + self.seconds, self.seconds))

    def settle(self, keeper: LabelKeeper, database: sqlite3.Connection) -> None:
        self.keep_house()
        keeper.work(database)
        self.keep_house()

    @property
    def counts(self) -> Counter[tuple[str, str]]:
        return self.pipeline.counters.commands


BAD = {"kind": "bad", "from": START - 60, "to": START, "who": "ann"}


@pytest.fixture
def keeper() -> LabelKeeper:
    return LabelKeeper(lambda: START + 100)


def test_a_label_is_counted_as_accepted_when_it_is_kept(keeper: LabelKeeper, database: sqlite3.Connection) -> None:
    operated = Operated(keeper).open()
    operated.say(BAD)
    operated.keep_house()
    assert operated.counts == {}
    operated.settle(keeper, database)
    assert operated.counts == {("label", "accepted"): 1}
    (label,) = read_labels(database)
    assert (label.stream, label.kind, label.who, label.source) == ("seven", "bad", "ann", "mqtt")


def test_a_stream_is_accepted_by_a_command(keeper: LabelKeeper, database: sqlite3.Connection) -> None:
    operated = Operated(keeper).open()
    operated.say({"since": START - 60, "note": "new bearing"}, "accept")
    operated.settle(keeper, database)
    (label,) = read_labels(database)
    assert (label.kind, label.source, label.to_seconds, label.note) == ("new_normal", "accept", OPEN, "new bearing")
    assert operated.counts == {("accept", "accepted"): 1}


def test_a_process_that_dies_before_the_label_is_kept_has_it_from_its_state(
    keeper: LabelKeeper, database: sqlite3.Connection
) -> None:
    before = Operated(LabelKeeper()).open()
    before.say(BAD)
    before.keep_house()  # the request is in the box of a process that dies
    state = decode_state(encode_state(before.pipeline.snapshot()))
    after = Operated(keeper)
    assert after.pipeline.restore(state) == []
    after.settle(keeper, database)
    assert len(read_labels(database)) == 1
    assert after.counts == {("label", "accepted"): 1}


def test_a_command_that_is_walked_through_again_is_kept_once_even_if_its_label_was_withdrawn(
    keeper: LabelKeeper, database: sqlite3.Connection
) -> None:
    for _ in range(2):  # the second process replays the journal of the first
        operated = Operated(keeper).open()
        operated.say(BAD)
        operated.settle(keeper, database)
        for label in read_labels(database):
            withdraw_label(database, label.id or 0, START)
    assert len(read_labels(database, withdrawn=True)) == 1
    assert read_labels(database) == []


def test_what_waits_goes_on_in_another_pipeline(keeper: LabelKeeper, database: sqlite3.Connection) -> None:
    before = Operated(keeper).open()
    before.say(BAD)
    after = Operated(None)
    after.pipeline.labelling.take_over(before.pipeline.labelling)
    after.settle(keeper, database)
    assert len(read_labels(database)) == 1
    assert after.counts == {("label", "accepted"): 1}


def test_where_no_history_is_kept_labels_are_refused(keeper: LabelKeeper) -> None:
    for operated in (Operated(None).open(), Operated(keeper, models=()).open()):
        operated.say(BAD)
        operated.say({"since": START - 60}, "accept")
        assert operated.counts == {("label", "no_history"): 1, ("accept", "no_history"): 1}
        assert all("history" in discard.detail for _, discard in operated.refused)


def test_what_waits_when_the_history_is_switched_off_is_refused() -> None:
    before = Operated(LabelKeeper()).open()
    before.say(BAD)
    after = Operated(None)
    after.pipeline.restore(decode_state(encode_state(before.pipeline.snapshot())))
    after.keep_house()
    assert after.counts == {("label", "no_history"): 1}
    after.keep_house()
    assert after.counts == {("label", "no_history"): 1}


def test_a_label_that_cannot_be_written_is_refused_and_tells_why(
    keeper: LabelKeeper, database: sqlite3.Connection
) -> None:
    operated = Operated(keeper).open()
    operated.say(BAD)
    operated.keep_house()
    database.execute("PRAGMA query_only=ON")
    with pytest.raises(StoreError):
        keeper.work(database)
    operated.keep_house()
    assert operated.counts == {("label", "not_kept"): 1}
    (refused,) = operated.refused
    assert refused[0] == "seven/set/label"
    assert "send it again later" in refused[1].detail
    keeper.work(database)


@pytest.mark.parametrize(
    ("payload", "stream", "result"),
    [
        (BAD, "eight", "unknown_stream"),
        (BAD | {"kind": "fine"}, "seven", "malformed"),
        (BAD | {"to": START - 61}, "seven", "bad_label"),
        ({"kind": "confirmed", "alert": "00000000-0000"}, "seven", "unknown_alert"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_its_reason(
    keeper: LabelKeeper, database: sqlite3.Connection, payload: dict[str, Any], stream: str, result: str
) -> None:
    operated = Operated(keeper).open()
    operated.say(payload, stream=stream)
    operated.settle(keeper, database)
    assert operated.counts == {("label", result): 1}
    assert len(operated.refused) == 1
    assert read_labels(database) == []


def test_a_retained_label_is_refused(keeper: LabelKeeper) -> None:
    operated = Operated(keeper).open()
    operated.say(BAD, retained=True)
    assert operated.counts == {("label", "retained"): 1}


def test_labels_without_an_end_are_bounded(keeper: LabelKeeper, database: sqlite3.Connection) -> None:
    operated = Operated(keeper).open()
    for number in range(MAX_OPEN_PER_STREAM + 1):
        operated.say({"kind": "bad", "from": START - number})
    operated.settle(keeper, database)
    assert operated.counts == {("label", "accepted"): MAX_OPEN_PER_STREAM, ("label", "label_limit"): 1}


def test_labels_that_wait_are_bounded(keeper: LabelKeeper) -> None:
    operated = Operated(keeper).open()
    for number in range(MAX_WAITING + 1):
        operated.say(BAD | {"note": str(number)})
    assert operated.counts == {("label", "label_limit"): 1}


def test_a_damaged_part_of_the_state_costs_no_other_part() -> None:
    before = Operated(LabelKeeper()).open()
    state = decode_state(encode_state(before.pipeline.snapshot()))
    after = Operated(LabelKeeper())
    (refusal,) = after.pipeline.restore(state | {"labels": [{"key": 1}]})
    assert refusal.reason == "labels"
    assert "seven" in after.group.streams.number


class Asked(Operated):
    """A stream whose alert asks."""

    def __init__(self, keeper: LabelKeeper) -> None:
        super().__init__(keeper)
        self.open(0.5, 1.0).open(2.0, 3.0)
        self.keep_house()
        assert self.asks

    @property
    def asks(self) -> bool:
        self.pipeline.housekeep(Moment(START + self.seconds, self.seconds))
        return self.group.question(self.group.streams.number["seven"]) is not None


def said(kind: Any = "confirmed", **changed: Any) -> Label:
    fields = {"from_seconds": START + 1, "to_seconds": START + 5, "at_seconds": START + 6}
    return Label(**{"stream": "seven", "kind": kind, "who": "ann", "source": "command"} | fields | changed)


@pytest.mark.parametrize("kind", ["confirmed", "false_alarm", "new_normal", "bad", "maintenance"])
def test_a_label_that_another_process_wrote_answers_the_question_and_withdrawn_asks_again(
    keeper: LabelKeeper, database: sqlite3.Connection, tmp_path: Path, kind: Any
) -> None:
    operated = Asked(keeper)
    keeper.work(database)
    assert operated.asks
    command = sqlite3.connect(tmp_path / "history.sqlite", isolation_level=None)
    kept = add_label(command, said(kind))
    keeper.work(database)
    assert not operated.asks
    withdraw_label(command, kept.id or 0, START + 7)
    keeper.work(database)
    assert operated.asks
    command.close()


def test_a_label_by_a_command_answers_the_question(keeper: LabelKeeper, database: sqlite3.Connection) -> None:
    operated = Asked(keeper)
    operated.say({"since": START + 1}, "accept")
    operated.settle(keeper, database)
    assert not operated.asks


@pytest.mark.parametrize("characters", [8, 36])
def test_an_alert_that_is_open_is_labelled_though_the_history_does_not_have_it_yet(
    keeper: LabelKeeper, database: sqlite3.Connection, characters: int
) -> None:
    operated = Asked(keeper)
    step = operated.group.alerts.open_alert("seven")
    assert step is not None
    operated.say({"kind": "confirmed", "alert": step.id[:characters]})
    operated.settle(keeper, database)
    (label,) = read_labels(database)
    assert (label.from_seconds, label.to_seconds) == (step.since_seconds, label.at_seconds)
    assert not operated.asks


@pytest.mark.parametrize(
    "other",
    [
        said(stream="eight"),
        said(from_seconds=START - 50, to_seconds=START),  # of before
        said("new_normal", from_seconds=START - 50, to_seconds=OPEN, at_seconds=START - 40),  # about another change
        said("maintenance", from_seconds=START - 50, to_seconds=START - 1, at_seconds=START - 60),
    ],
)
def test_what_is_not_about_the_alert_answers_nothing(
    keeper: LabelKeeper, database: sqlite3.Connection, other: Label
) -> None:
    operated = Asked(keeper)
    add_label(database, other)
    keeper.work(database)
    assert operated.asks


def test_a_maintenance_that_was_announced_answers_while_it_goes_on(database: sqlite3.Connection) -> None:
    now = START + 10
    keeper = LabelKeeper(lambda: now)
    operated = Asked(keeper)
    add_label(database, said("maintenance", from_seconds=START - 50, to_seconds=START + 500, at_seconds=START - 60))
    keeper.work(database)
    assert not operated.asks
    now = START + 600
    keeper.work(database)
    assert operated.asks


def test_nothing_is_read_while_nothing_changes(keeper: LabelKeeper, database: sqlite3.Connection) -> None:
    operated = Asked(keeper)
    keeper.work(database)
    assert operated.asks
    asked: list[str] = []
    database.set_trace_callback(asked.append)
    keeper.work(database)
    assert [question for question in asked if "label" in question] == []
