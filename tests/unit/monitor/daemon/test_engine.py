"""The engine: the order of a step, sinks that are independent, and ends that leave nothing behind."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog

from monitor.adapters.storage.disk_store import DiskStore
from monitor.adapters.storage.settings import JournalConfig
from monitor.core.decode.json_format.settings import JsonFormat
from monitor.core.outputs.model_report import model_report
from monitor.core.ports import Delivery, StepKey
from monitor.core.sources.source import SourceSpec
from monitor.core.values.messages import Message, Token
from monitor.daemon.engine import Engine
from monitor.durability.checkpointer import Checkpointer
from monitor.pipeline.pipeline import Pipeline, PipelineSettings
from tests.doors import MemorySink, MemorySource
from tests.manifests import PERIOD, MeanSquareScorer, model_group_of

START = 1_700_000_000.0
LENGTH = 8  # of the windows of `model_group_of`
CALM, WILD = 1.0, 3.0
SOURCE = SourceSpec(
    name="rows", topic="a/{device}", model="m", qos=1, format=JsonFormat(kind="json", timestamp="t", rows="r")
)
decode = msgspec.json.decode


def pipeline_of() -> Pipeline:
    groups, scorers = {"m": model_group_of(k=1, n=1)}, {"m": MeanSquareScorer()}
    return Pipeline((SOURCE,), groups, scorers, PipelineSettings(), lambda: 0.0)


def message(first: int, rows: int, value: float = CALM, token: Token | None = None) -> Message:
    body = json.dumps({"t": START + first * PERIOD, "r": [[value]] * rows}).encode()
    return Message("a/one", body, START + (first + rows) * PERIOD, token, qos=0 if token is None else 1)


class Life:
    """One process: an engine with a source and sinks in memory, and what it keeps in `folder` (None: nothing)."""

    def __init__(self, folder: Path | None, *sinks: MemorySink, source: MemorySource | None = None) -> None:
        self.source = source or MemorySource()
        self.sinks = sinks or (MemorySink(),)
        store = None if folder is None else DiskStore(folder)
        checkpointer = None if store is None else Checkpointer(store, JournalConfig(), "one")
        self.engine = Engine(pipeline_of(), [self.source], self.sinks, checkpointer, lambda: START)
        self.engine.recover()
        self.engine.start()

    @property
    def sink(self) -> MemorySink:
        return self.sinks[0]

    def turn(self, *messages: Message) -> None:
        self.source.put(*messages)
        self.engine.wake(urgent=True)
        self.engine.turn()
        self.engine.flush()

    @property
    def scored(self) -> int:
        table = self.engine.pipeline.model_groups["m"].streams
        return int(table.windows_scored[table.number["one"]]) if "one" in table.number else 0


def windows_in(samples: int) -> int:
    return max((samples - LENGTH) // 4 + 1, 0)


def test_a_step_is_committed_before_it_is_delivered_and_delivered_before_it_is_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = Life(tmp_path)
    disk = DiskStore(tmp_path)  # as another process sees it
    disk.open()
    seen: list[str] = []

    def deliver(delivery: Delivery) -> None:
        assert delivery.key in [each.key for each in disk.undelivered("sink")]
        seen.append("delivered")

    def acknowledge(tokens: Sequence[Token]) -> None:
        assert list(tokens) == [7]
        assert len(list(disk.steps(0))) == 1
        seen.append("acknowledged")

    monkeypatch.setattr(life.sink, "deliver", deliver)
    monkeypatch.setattr(life.source, "acknowledge", acknowledge)
    life.source.put(message(0, LENGTH, WILD, 7))
    life.engine.drain(0.0)
    disk.close()
    assert seen == ["acknowledged", "delivered", "delivered"] or seen == ["delivered", "delivered", "acknowledged"]


def test_what_is_delivered_is_let_go_after_its_progress_is_committed(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.turn(message(0, LENGTH, WILD, 1))
    assert life.sink.phases(decode) == ["pending", "firing"]
    life.sink.get_further()
    life.turn()
    assert life.sink.let_go == [each.key for each in life.sink.delivered]
    again = Life(tmp_path)
    assert [(each.progress, each.begun) for each in again.sink.delivered] == [(b"received", True)] * 2


def test_a_sink_that_is_stuck_holds_up_no_other(tmp_path: Path) -> None:
    stuck, quick = MemorySink("stuck"), MemorySink("quick")
    life = Life(tmp_path, stuck, quick)
    life.turn(message(0, LENGTH, WILD, 1))
    quick.finish()
    life.turn()
    again = Life(tmp_path, MemorySink("stuck"), MemorySink("quick"))
    assert [len(sink.delivered) for sink in again.sinks] == [2, 0]


def test_a_sink_that_was_added_gets_what_is_said_from_now_on(tmp_path: Path) -> None:
    Life(tmp_path, MemorySink("one")).turn(message(0, LENGTH, WILD, 1))
    life = Life(tmp_path, MemorySink("one"), MemorySink("two"))
    life.turn(message(LENGTH, 40, CALM, 2))
    assert life.sinks[0].phases(decode) == ["pending", "firing", "resolved"]
    assert life.sinks[1].phases(decode)[-1] == "resolved"


def test_states_are_told_to_every_sink() -> None:
    life = Life(None, MemorySink("one"), MemorySink("two"))
    life.turn(message(0, LENGTH))
    assert [{told.topic for told in sink.told} for sink in life.sinks] == [{"one/state"}] * 2


def test_a_source_goes_on_where_the_process_before_committed(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.turn(message(0, 5, token=1), message(5, 5, token=2))
    life.turn(message(10, 5, token=3))
    again = Life(tmp_path)
    assert again.source.remembered == b"3"
    assert again.scored == windows_in(15)
    again.engine.drain(0.0)  # now it stands in the checkpoint, and the journal is empty
    assert Life(tmp_path).source.remembered == b"3"


def test_messages_that_nobody_waits_for_are_not_journaled(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.turn(message(0, 20))
    assert (life.scored, life.source.acknowledged) == (windows_in(20), [])
    assert life.engine.checkpointer is not None
    assert (life.engine.checkpointer.messages_kept, life.engine.checkpointer.nbytes) == (0, 0)


def test_everything_that_waits_is_walked_through_at_the_end(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.source.put(*(message(5 * number, 5, token=number) for number in range(3000)))
    life.engine.drain(0.0)
    assert life.scored == windows_in(15_000)
    assert life.source.acknowledged == list(range(3000))
    assert not life.source.receiving
    assert not life.source.alive
    assert not life.sink.alive


def test_more_than_one_take_brings_is_taken_in_the_next_turns_at_once() -> None:
    life = Life(None)
    life.source.put(*(message(5 * number, 5) for number in range(2500)))
    began = time.monotonic()
    turns = 0
    while life.source.waiting:
        life.engine.turn()
        turns += 1
    assert turns >= 3
    assert time.monotonic() - began < 0.5 * turns  # none of them waited for something to come
    life.engine.flush()
    assert life.scored == windows_in(12_500)


def test_the_engine_is_finished_when_every_source_is() -> None:
    life = Life(None)
    assert not life.engine.finished
    life.source.finished = True
    assert life.engine.finished


def test_a_source_that_takes_the_place_of_another_goes_on_where_that_was(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.turn(message(0, 5, token=4))
    life.source.put(message(5, 15, token=5))  # and nobody has taken it
    fresh, sink = MemorySource(), MemorySink()
    life.engine.change_doors([fresh], [sink], 0.0)
    assert life.scored == windows_in(20)
    assert life.source.acknowledged == [4, 5]
    assert (life.source.alive, fresh.alive, fresh.remembered) == (False, True, b"5")


def test_a_sink_that_takes_the_place_of_another_gets_what_is_not_delivered(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.turn(message(0, LENGTH, WILD, 1))
    fresh = MemorySink()
    life.engine.change_doors([life.source], [fresh], 0.0)
    assert [each.key.step for each in fresh.delivered] == [0, 1]
    assert all(each.begun for each in fresh.delivered)
    assert life.source.alive  # it stays as it is


def test_a_sink_under_another_base_is_told_all_states_and_the_old_one_clears_its_own(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.turn(message(0, LENGTH, WILD, 1))
    fresh = MemorySink(base="other")
    life.engine.change_doors([life.source], [fresh], 0.0)
    assert sorted(life.sink.cleared) == ["base/one/state", "base/status/journal"]
    life.engine.flush()
    assert [told.topic for told in fresh.told] == ["one/state"]
    assert [json.loads(told.payload)["state"] for told in fresh.told] == ["firing"]


def test_how_models_stand_is_told_when_it_changes_and_again_to_a_sink_that_is_new(tmp_path: Path) -> None:
    life = Life(tmp_path)

    def tell(version: str) -> None:
        life.engine.tell_models([model_report("m", version, None, None, frozen=False)])

    def told(sink: MemorySink) -> list[str]:
        return [json.loads(each.payload)["version"] for each in sink.told if each.topic == "model/m/state"]

    for version in ("1", "1", "2", "2"):
        tell(version)
    assert told(life.sink) == ["1", "2"]
    fresh = MemorySink(base="other")
    life.engine.change_doors([life.source], [fresh], 0.0)
    tell("2")
    assert told(fresh) == ["2"]
    assert "base/model/m/state" in life.sink.cleared


def test_the_state_of_a_model_that_is_no_more_is_cleared(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.engine.tell_models([model_report(name, "1", None, None, frozen=False) for name in ("m", "gone")])
    life.turn(message(0, LENGTH))
    life.engine.drain(0.0)
    after = Life(tmp_path)
    after.turn()
    assert after.sink.cleared == ["base/model/gone/state"]


def test_a_process_whose_checkpoint_is_of_no_use_clears_the_states_of_the_one_before(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.turn(message(0, LENGTH, WILD))
    life.engine.drain(0.0)
    (tmp_path / "checkpoint").unlink()
    after = Life(tmp_path)
    after.turn()
    assert after.sink.cleared == ["base/one/state"]
    assert [str(decode(each.payload)["reason"]) for each in after.sink.delivered[-1:]] == ["lost"]


def test_after_a_clean_end_nothing_is_cleared_and_open_alerts_go_on_whatever_qos_messages_had(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.turn(message(0, LENGTH, WILD))
    life.sink.finish()
    life.engine.drain(0.0)
    after = Life(tmp_path)
    after.turn()
    assert (after.sink.cleared, after.sink.delivered) == ([], [])
    assert len(after.engine.pipeline.open_alerts) == 1


def test_a_sink_that_was_removed_has_its_deliveries_given_up_and_counted(tmp_path: Path) -> None:
    life = Life(tmp_path, MemorySink("one"), MemorySink("two"))
    life.turn(message(0, LENGTH, WILD, 1))
    life.engine.change_doors([life.source], [life.sinks[0]], 0.0)
    life.engine.drain(0.0)
    assert life.engine.checkpointer is not None
    assert life.engine.checkpointer.given_up == {"two": 2}


def test_without_a_journal_alerts_are_delivered_all_the_same() -> None:
    life = Life(None)
    life.turn(message(0, LENGTH, WILD, 1))
    assert life.sink.phases(decode) == ["pending", "firing"]
    assert life.source.acknowledged == [1]
    assert life.sink.begun == [each.key for each in life.sink.delivered]


def test_a_step_has_a_number_that_is_the_same_in_every_process(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.turn(message(0, LENGTH, WILD, 1))
    life.turn(message(LENGTH, 40, CALM, 2))
    steps: dict[str, Any] = {str(decode(each.payload)["phase"]): each.key for each in life.sink.delivered}
    assert [steps[phase].step for phase in ("pending", "firing", "resolved")] == [0, 1, 2]
    assert len({key.alert for key in steps.values()}) == 1
    assert {each.key for each in Life(tmp_path).sink.delivered} == set(steps.values())
    assert isinstance(steps["firing"], StepKey)


def test_a_stop_walks_through_what_there_is_time_for_and_gives_up_the_rest() -> None:
    life = Life(None)
    life.source.put(message(0, LENGTH, token=1), message(LENGTH, LENGTH), message(2 * LENGTH, LENGTH, token=2))
    with structlog.testing.capture_logs() as logs:
        life.engine.drain(0.0, walk_seconds=0.0)
    assert life.scored == 0
    assert life.source.acknowledged == []
    assert life.source.waiting == []
    assert [event["messages_lost"] for event in logs if "messages_lost" in event] == [1]


def test_a_stop_scores_for_no_longer_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    life = Life(None)
    life.source.put(*(message(number * 4, 4) for number in range(5000)))
    clock = iter(range(10**6))  # every look at the clock takes a second
    monkeypatch.setattr("monitor.daemon.engine.time.monotonic", lambda: float(next(clock)))
    life.engine.drain(0.0, walk_seconds=20.0)
    assert 0 < life.scored < windows_in(20_000)
