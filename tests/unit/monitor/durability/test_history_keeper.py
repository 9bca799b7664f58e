"""The history's thread: what the engine offers is written, and no trouble of file or disk reaches the daemon."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from monitor.adapters.storage.history_forget import forget_stream
from monitor.adapters.storage.label_table import add_label, withdraw_label
from monitor.adapters.storage.settings import HistoryConfig
from monitor.core.history.label import Label
from monitor.core.history.label_request import LabelRequest
from monitor.core.streams.model_group import ModelGroup
from monitor.core.values.discards import Reason
from monitor.core.windows.stream_blocks import StreamBlocks
from monitor.durability import history_keeper, history_queue
from monitor.durability.history_keeper import HistoryKeeper
from monitor.pipeline.labelling import LabelOutcome
from monitor.pipeline.pipeline import Moment, Pipeline, PipelineSettings
from monitor.readers.history import History
from tests.manifests import PERIOD, MeanSquareScorer, manifest_of, model_group_of

START = 1_700_000_000.0
LENGTH, STRIDE = 8, 4


class Daemon:
    """A model group and a history, without messages: windows come straight from samples."""

    def __init__(self, file: Path, journal_bytes: int = 0, **settings: object) -> None:
        self.model_group: ModelGroup = model_group_of(manifest_of(("x",), LENGTH, STRIDE), k=1, n=1)
        self.pipeline = Pipeline(
            (), {"m": self.model_group}, {"m": MeanSquareScorer()}, PipelineSettings(), time.monotonic
        )
        self.model_group.open_stream("m1", {}, [[0]])
        config = HistoryConfig(**{"max_processor_share": 1.0} | settings)  # type: ignore[arg-type]
        self.history = HistoryKeeper(file, config, journal_bytes, lambda model, version: "")
        self.history.use({"m": None})
        self.at = 0

    def feed(self, samples: int, value: float = 0.5) -> None:
        first = START + self.at * PERIOD
        self.at += samples
        last = START + (self.at - 1) * PERIOD
        blocks = StreamBlocks(
            channel_group=np.zeros(1, np.int64),
            columns=np.zeros((1, 1), np.int64),
            first_time_seconds=np.array([first]),
            length=np.array([samples]),
            arrival_seconds=np.array([last]),
            timed=True,
            values=np.full((samples, 1), value, np.float32),
        )
        self.model_group.ingest(blocks, 0.0)
        self.history.offer(self.pipeline.score(Moment(last, 0.0), everything=True), self.pipeline)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        give_up = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < give_up
            time.sleep(0.01)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_keeper, "_TURN_SECONDS", 0.02)
    monkeypatch.setattr(history_keeper, "_LONGEST_TURN_SECONDS", 0.05)
    monkeypatch.setattr(history_keeper, "_RETRY_SECONDS", 0.1)
    monkeypatch.setattr(history_keeper, "_RESERVE_BYTES", 0)


def test_what_the_engine_offers_is_in_the_file_when_the_daemon_ends(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "journal" / "history.sqlite")
    daemon.history.start()
    for _ in range(20):
        daemon.feed(50)
    daemon.history.close()
    with History.open(tmp_path / "journal" / "history.sqlite") as history:
        (stretch,) = history.stretches("m", "m1")
        assert stretch.samples == (1000 - LENGTH) // STRIDE * STRIDE + LENGTH
        assert len(history.scores("m", "m1")) == (1000 - LENGTH) // STRIDE + 1
    assert daemon.history.trouble is None
    assert daemon.history.processor_seconds > 0


def test_alerts_come_by_the_reports_of_steps_and_one_that_nobody_goes_on_with_is_ended(tmp_path: Path) -> None:
    file = tmp_path / "history.sqlite"
    daemon = Daemon(file)
    daemon.history.start()
    daemon.feed(50)
    daemon.feed(50, value=50.0)
    daemon.history.close()
    with History.open(file) as history:
        (alert,) = history.alerts("m")
        assert (alert.stream, alert.fired, alert.end_reason) == ("m1", True, None)
        assert alert.peak == pytest.approx(1250.0)
        assert [each.kept for each in history.stretches("m", "m1")] == ["alert"]
    other = Daemon(file)
    other.history.begin(other.pipeline.model_groups)
    other.history.start()
    other.wait_for(lambda: other.history.state.max_bytes > 0)
    other.history.close()
    with History.open(file) as history:
        assert history.alerts("m")[0].end_reason == "lost"


def test_models_that_are_not_kept_leave_nothing(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "history.sqlite")
    daemon.history.use({})
    daemon.history.start()
    daemon.feed(500)
    daemon.history.close()
    with History.open(tmp_path / "history.sqlite") as history:
        assert history.models() == []


def test_where_the_journal_needs_the_disk_nothing_is_written_and_it_goes_on_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = SimpleNamespace(f_bavail=10, f_frsize=4096, f_blocks=10**9)
    monkeypatch.setattr("os.statvfs", lambda path: free)
    daemon = Daemon(tmp_path / "history.sqlite", journal_bytes=10**6)
    daemon.history.start()
    daemon.wait_for(lambda: daemon.history.trouble is not None)
    assert "the journal's alone" in str(daemon.history.trouble)
    assert not (tmp_path / "history.sqlite").exists()
    daemon.feed(500)
    free.f_bavail = 10**6
    daemon.wait_for(lambda: daemon.history.trouble is None)
    daemon.feed(500)
    daemon.history.close()
    with History.open(tmp_path / "history.sqlite") as history:
        assert history.streams("m")[0].stretches > 0


def test_a_newer_file_is_left_alone_and_the_daemon_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "history.sqlite"
    first = Daemon(file)
    first.history.start()
    first.wait_for(lambda: first.history.state.max_bytes > 0)
    first.history.close()
    with sqlite3.connect(file) as database:
        database.execute("PRAGMA user_version=99")
    daemon = Daemon(file)
    daemon.history.start()
    daemon.wait_for(lambda: daemon.history.trouble is not None)
    daemon.feed(500)
    daemon.history.close()
    assert "newer residuald" in str(daemon.history.trouble)
    assert sqlite3.connect(file).execute("PRAGMA user_version").fetchone() == (99,)


def test_a_file_that_breaks_while_it_is_in_use_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "history.sqlite"
    file.write_bytes(b"nothing of ours" * 1000)
    daemon = Daemon(file)
    daemon.history.start()
    daemon.feed(500)
    daemon.history.close()
    assert daemon.history.moved_aside == 1
    with History.open(file) as history:
        assert history.streams("m")[0].stretches > 0


def test_an_error_that_nobody_foresaw_stops_the_history_and_not_its_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = Daemon(tmp_path / "history.sqlite")
    monkeypatch.setattr(history_keeper, "_RETRY_SECONDS", 1000.0)

    def broken(*args: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(daemon.history._sampler, "take", broken)
    daemon.history.start()
    daemon.feed(100)
    daemon.wait_for(lambda: daemon.history.trouble is not None)
    assert "ZeroDivisionError" in str(daemon.history.trouble)
    assert daemon.history._thread.is_alive()
    daemon.history.close()


def test_of_what_does_not_fit_the_queue_samples_are_left_out_first_and_batches_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_queue, "_MOST_BYTES", 5000)
    monkeypatch.setattr(history_queue, "_MOST_WINDOWS", 1000)
    daemon = Daemon(tmp_path / "history.sqlite")
    for _ in range(20):
        daemon.feed(400)
    assert daemon.history.batches_dropped == 10
    batches, _ = daemon.history.queue.take()
    assert [batch.values is None for batch in batches] == [False, *[True] * 9]
    assert daemon.history.windows_without_samples == sum(len(batch.stream) for batch in batches[1:]) > 0
    daemon.history.queue.taken(batches)
    daemon.feed(400)  # one batch is larger than all that may wait, and nothing does
    assert [batch.values is None for batch in daemon.history.queue.take()[0]] == [False]


def test_what_is_too_old_is_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_keeper, "_CARE_SECONDS", 0.05)
    monkeypatch.setattr(history_keeper, "_WRITE_SECONDS", 0.0)
    daemon = Daemon(tmp_path / "history.sqlite")
    now = [START]
    daemon.history._clock = lambda: now[0]
    daemon.history.use({"m": 3600.0})
    daemon.history.start()
    for _ in range(40):
        daemon.feed(4000)
    daemon.wait_for(lambda: daemon.history.state.stretches > 0)
    now[0] = START + 86400
    daemon.wait_for(lambda: daemon.history.state.stretches == 0)
    daemon.history.close()


def test_a_stream_that_another_process_forgets_is_dropped_also_from_what_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_keeper, "_CARE_SECONDS", 0.05)
    file = tmp_path / "history.sqlite"
    daemon = Daemon(file)
    daemon.history.start()
    daemon.feed(300)  # less than a slot: nothing of it is written yet
    daemon.wait_for(lambda: daemon.history._sampler.held_bytes > 0)
    assert forget_stream(file, "m1").stretches == 0
    daemon.wait_for(lambda: daemon.history._sampler.held_bytes == 0)
    daemon.history.close()
    with History.open(file) as history:
        assert history.streams("m") == []


def test_what_a_label_with_an_end_covers_is_exempt_from_ageing_until_it_is_withdrawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_keeper, "_CARE_SECONDS", 0.05)
    monkeypatch.setattr(history_keeper, "_WRITE_SECONDS", 0.0)
    file = tmp_path / "history.sqlite"
    daemon = Daemon(file)
    daemon.history.start()
    daemon.feed(20_000)
    daemon.feed(20_000)
    daemon.wait_for(lambda: daemon.history.state.stretches > 1)
    with closing(sqlite3.connect(file, isolation_level=None, timeout=10)) as database:
        label = add_label(database, Label("m1", START, START + 1.0, "confirmed", "ann", START, "command"))
        of_labels = "SELECT count(*) FROM stretch WHERE kept = 'label'"
        daemon.wait_for(lambda: database.execute(of_labels).fetchone()[0] == 1)
        withdraw_label(database, label.id or 0, START)
        daemon.wait_for(lambda: database.execute(of_labels).fetchone()[0] == 0)
    daemon.history.close()


def test_labels_that_came_by_commands_are_kept_while_it_runs_and_when_it_ends(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "history.sqlite")
    daemon.history.labels.put(LabelRequest("1", "m1", "bad", "ann", "", "mqtt", START, START - 10, START - 5))
    daemon.history.start()
    daemon.wait_for(lambda: daemon.history.labels.outcomes() == [LabelOutcome("1", None)])
    daemon.history.labels.put(LabelRequest("2", "m1", "bad", "ann", "", "mqtt", START, START - 3, START - 2))
    daemon.history.close()
    with History.open(tmp_path / "history.sqlite") as history:
        assert [label.from_seconds for label in history.labels()] == [START - 10, START - 3]


def test_labels_are_refused_while_the_history_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "history.sqlite").mkdir()
    daemon = Daemon(tmp_path / "history.sqlite")
    daemon.history.labels.put(LabelRequest("1", "m1", "bad", "ann", "", "mqtt", START, START - 10, START - 5))
    daemon.history.start()
    daemon.wait_for(lambda: [refused_for(outcome) for outcome in daemon.history.labels.outcomes()] == [Reason.NOT_KEPT])
    daemon.history.close()


def refused_for(outcome: LabelOutcome) -> Reason | None:
    return None if outcome.refusal is None else outcome.refusal.reason
