"""Where states stand: noted before they are told, cleared when their stream is no more, by whichever process."""

from pathlib import Path

import pytest

from monitor.adapters.storage.disk_store import DiskStore
from monitor.core.outputs.reports import Report
from monitor.core.ports import StoreError
from monitor.durability.retained_states import RetainedStates
from tests.doors import MemorySink


def state(topic: str, payload: bytes = b"{}") -> Report:
    return Report(topic, payload, retain=True)


def life(folder: Path) -> tuple[RetainedStates, DiskStore]:
    """What a process knows that goes on from what the ones before it left."""
    states, store = RetainedStates(), DiskStore(folder)
    store.open()
    states.use(store)
    return states, store


def test_a_process_clears_what_the_one_before_told_of_streams_that_are_no_more_and_nothing_else(tmp_path: Path) -> None:
    life(tmp_path)[0].note([MemorySink()], [state("a/state"), state("b/state")])
    states, store = life(tmp_path)
    sink = MemorySink()
    states.keep_only({"sink": sink}, ["b/state"])
    states.clear(sink)
    assert sink.cleared == ["base/a/state"]
    states.clear(sink)
    assert store.retained() == [("sink", "base/b/state")]


def test_under_another_base_everything_of_the_old_one_is_cleared(tmp_path: Path) -> None:
    life(tmp_path)[0].note([MemorySink()], [state("a/state")])
    states, store = life(tmp_path)
    sink = MemorySink(base="other")
    states.keep_only({"sink": sink}, ["a/state"])
    states.note([sink], [state("a/state")])
    states.clear(sink)
    states.clear(sink)
    assert sink.cleared == ["base/a/state"]
    assert store.retained() == [("sink", "other/a/state")]


def test_what_a_sink_could_not_clear_yet_is_cleared_by_the_next_process(tmp_path: Path) -> None:
    class StuckSink(MemorySink):
        @property
        def idle(self) -> bool:
            return self.cleared == []

    states, sink = life(tmp_path)[0], StuckSink()
    states.note([sink], [state("a/state")])
    states.keep_only({"sink": sink}, [])
    states.clear(sink)
    states.clear(sink)
    assert sink.cleared == ["base/a/state"]
    assert life(tmp_path)[1].retained() == [("sink", "base/a/state")]


def test_a_state_that_was_cleared_by_its_own_report_is_forgotten(tmp_path: Path) -> None:
    (states, store), sink = life(tmp_path), MemorySink()
    states.note([sink], [state("a/state")])
    states.note([sink], [state("a/state", b"")])
    states.clear(sink)
    assert (sink.cleared, store.retained()) == ([], [])


def test_a_stream_that_comes_back_before_its_state_was_cleared_keeps_the_new_one(tmp_path: Path) -> None:
    (states, store), sink = life(tmp_path), MemorySink()
    states.note([sink], [state("a/state")])
    states.keep_only({"sink": sink}, [])
    states.note([sink], [state("a/state")])
    states.clear(sink)
    assert (sink.cleared, store.retained()) == ([], [("sink", "base/a/state")])


def test_many_are_cleared_some_at_a_time(tmp_path: Path) -> None:
    states, sink = life(tmp_path)[0], MemorySink()
    states.note([sink], [state(f"{number}/state") for number in range(1200)])
    states.keep_only({"sink": sink}, [])
    counts = []
    while len(sink.cleared) < 1200:
        states.clear(sink)
        counts.append(len(sink.cleared))
    assert counts == [500, 1000, 1200]


def test_a_store_that_fails_is_not_asked_again_at_once_and_has_all_of_them_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (states, store), sink = life(tmp_path), MemorySink()
    now: list[float] = [1000.0]
    asked: list[object] = []
    monkeypatch.setattr("monitor.durability.retained_states.time.monotonic", lambda: now[0])

    def fail(added: object, removed: object) -> None:
        asked.append((added, removed))
        raise StoreError("full")

    with monkeypatch.context() as broken:
        broken.setattr(store, "note_retained", fail)
        states.note([sink], [state("a/state")])
        states.note([sink], [state("b/state")])
    assert len(asked) == 1
    now[0] += 10
    states.note([sink], [state("c/state")])
    assert len(store.retained()) == 3


def test_a_journal_that_was_replaced_gets_them_all(tmp_path: Path) -> None:
    (states, store), sink = life(tmp_path), MemorySink()
    states.note([sink], [state("a/state")])
    store.replace("damaged")
    states.note([sink], [state("b/state")])
    assert len(store.retained()) == 2
