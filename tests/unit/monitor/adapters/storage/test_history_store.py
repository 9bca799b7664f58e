"""The history on a disk: what is put is read, the bound holds, and nothing that lies there ends the daemon."""

import math
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from monitor.adapters.storage.history_store import HistoryStore
from monitor.adapters.storage.label_table import add_label
from monitor.core.dataset.recording import RecordingError
from monitor.core.history.alert_record import AlertRecord
from monitor.core.history.label import Label
from monitor.core.history.layout import Layout
from monitor.core.history.score_line import ScoreLine
from monitor.core.history.shares import StreamKey
from monitor.core.history.stretch import Kept, Stretch
from monitor.core.ports import StoreError
from monitor.readers.history import History
from tests.repository import ROOT

LAYOUT = Layout("motor", "v1", ("vib", "temp"), 1.0, 60, "ab" * 32)
MIB = 1024 * 1024


def stretch_of(start: float, samples: int = 600, stream: str = "m1", kept: Kept = "sample", seed: int = 0) -> Stretch:
    rng = np.random.default_rng([seed, int(start)])
    ends = (start + np.arange(59, samples, 30)).astype(np.float64)
    zeros = np.zeros(len(ends), np.int8)
    return Stretch(
        *("motor", stream, "v1", LAYOUT.channels, 1.0, start),
        rng.normal(size=(2, samples)).astype(np.float32),
        ends,
        rng.uniform(0, 1, len(ends)).astype(np.float32),
        zeros,
        zeros,
        kept,
    )


def line_of(first: float, windows: int) -> ScoreLine:
    zeros = np.zeros(windows, np.int8)
    return ScoreLine(
        np.linspace(first, first + (windows - 1) * 30.0, windows), np.full(windows, 0.5, np.float32), zeros, zeros
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[HistoryStore]:
    store = HistoryStore(tmp_path / "journal" / "history.sqlite", 1024 * MIB)
    store.open()
    store.put_layout(LAYOUT)
    store.flush()
    yield store
    store.close()


def test_what_is_put_is_read_and_neighbours_are_joined(store: HistoryStore) -> None:
    for start in (0.0, 600.0, 2000.0):
        store.put_stretch(stretch_of(start), "m01", 0.5)
    store.put_line("motor", "m1", line_of(59.0, 100))
    store.put_alert(AlertRecord("a1", "motor", "m1", 700.0, math.inf, True, 2.5, None, ("vib",)))
    store.flush()
    with History.open(store.file) as history:
        assert history.models() == ["motor"]
        assert history.layouts("motor") == [LAYOUT]
        (summary,) = history.streams("motor")
        assert (summary.name, summary.stretches, summary.seconds) == ("m1", 3, 1800.0)
        assert (summary.first_seconds, summary.last_seconds) == (0.0, 59.0 + 99 * 30)
        first, second = history.stretches("motor", "m1")
        assert (first.start_seconds, first.samples) == (0.0, 1200)
        np.testing.assert_array_equal(first.values[:, 600:], stretch_of(600.0).values)
        assert second.start_seconds == 2000.0
        assert [each.start_seconds for each in history.stretches("motor", "m1", since=1300.0)] == [2000.0]
        assert [each.samples for each in history.stretches("motor", "m1", until=100.0)] == [600]
        assert len(history.scores("motor", "m1", since=59.0, until=89.0)) == 2
        assert history.alerts("motor", since=800.0) == [
            AlertRecord("a1", "motor", "m1", 700.0, math.inf, True, 2.5, None, ("vib",))
        ]
        assert history.alerts("motor", "m2") == history.alerts("motor", until=600.0) == []


def test_labels_that_people_wrote_are_read(store: HistoryStore) -> None:
    label = Label("m1", 10.0, 20.0, "maintenance", "anna", 30.0, "command", "new bearing")
    with closing(sqlite3.connect(store.file, isolation_level=None)) as database:
        kept = add_label(database, label)
    with History.open(store.file) as history:
        assert history.labels("m1") == [kept]
        assert history.labels("m2") == history.labels(since=25.0) == []


def test_a_stretch_that_is_put_again_takes_the_place_of_the_first(store: HistoryStore) -> None:
    for _ in range(3):
        store.put_stretch(stretch_of(0.0))
    store.flush()
    assert store.shares.stretches == 1
    with History.open(store.file) as history:
        assert history.streams("motor")[0].stretches == 1


def test_files_are_private_and_what_is_deleted_is_overwritten(store: HistoryStore) -> None:
    store.put_stretch(stretch_of(0.0))
    store.flush()
    for path in (store.file, *store.file.parent.glob("history.sqlite-*")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(store.file.parent.stat().st_mode) == 0o700


def fill(
    store: HistoryStore, stream: str, count: int, stratum: str = "a", kept: Kept = "sample", first: int = 0
) -> None:
    priorities = np.random.default_rng(len(stream) + first).uniform(size=count)
    for at in range(count):
        start = (first + at) * 1000.0
        store.put_stretch(stretch_of(start, stream=stream, kept=kept), stratum, float(priorities[at]))
    store.flush()


def test_the_file_keeps_within_its_bound_and_streams_share_it_fairly(tmp_path: Path) -> None:
    store = HistoryStore(tmp_path / "history.sqlite", 1 * MIB)
    store.open()
    store.put_layout(LAYOUT)
    fill(store, "quiet", 20)
    for round_number in range(10):
        fill(store, "loud", 40, first=round_number * 40)
        fill(store, "loud2", 30, first=round_number * 30)
        assert store.used_bytes <= 1 * MIB
    bytes_of = {key.stream: size for key, size in store.shares.ordinary.items()}
    with History.open(store.file) as history:
        assert {each.name: each.stretches for each in history.streams("motor")}["quiet"] == 20
    assert bytes_of["quiet"] < bytes_of["loud"]
    assert abs(bytes_of["loud"] - bytes_of["loud2"]) < 0.1 * bytes_of["loud"]
    assert store.file.stat().st_size <= 1.3 * MIB
    store.close()


def test_the_most_crowded_stratum_gives_and_of_it_what_has_the_lowest_priority(tmp_path: Path) -> None:
    store = HistoryStore(tmp_path / "history.sqlite", 1 * MIB)
    store.open()
    store.put_layout(LAYOUT)
    fill(store, "m1", 15, "rare")
    fill(store, "m1", 400, "common", first=100)
    key = StreamKey("motor", "m1")
    assert store.shares.bar(key, "rare") == 0.0
    bar = store.shares.bar(key, "common")
    assert 0.0 < bar < 1.0
    store.close()
    with sqlite3.connect(store.file) as database:
        kept = dict(database.execute("SELECT stratum, count(*) FROM stretch GROUP BY stratum"))
        lowest = database.execute("SELECT min(priority) FROM stretch WHERE stratum = 'common'").fetchone()[0]
    assert kept["rare"] == 15
    assert lowest > bar
    store.open()  # another process finds the bar from what is left
    assert bar < store.shares.bar(key, "common") <= lowest
    store.close()


def test_what_alerts_exempt_outlives_samples_up_to_half_of_the_bound(tmp_path: Path) -> None:
    store = HistoryStore(tmp_path / "history.sqlite", 1 * MIB)
    store.open()
    store.put_layout(LAYOUT)
    fill(store, "m1", 30, kept="alert")
    fill(store, "m1", 400, first=100)
    counts = dict(sqlite3.connect(store.file).execute("SELECT kept, count(*) FROM stretch GROUP BY kept"))
    assert counts["alert"] == 30
    fill(store, "m1", 400, kept="alert", first=1000)
    assert sum(store.shares.exempt.values()) <= MIB / 2
    assert store.used_bytes <= MIB
    store.close()


def test_score_lines_take_a_quarter_of_the_bound_and_lose_their_oldest(tmp_path: Path) -> None:
    store = HistoryStore(tmp_path / "history.sqlite", 1 * MIB)
    store.open()
    store.put_layout(LAYOUT)
    for at in range(3000):
        store.put_line("motor", "m1", line_of(at * 1000.0, 30))
        if at % 100 == 99:
            store.flush()
    store.flush()
    assert sum(store.shares.line.values()) <= MIB / 4
    with History.open(store.file) as history:
        ends = history.scores("motor", "m1").ends_seconds
    assert ends[-1] == 2999 * 1000.0 + 29 * 30
    assert ends[0] > 1000.0
    store.close()


def test_an_alert_exempts_what_was_kept_of_the_time_before(store: HistoryStore) -> None:
    for start in (0.0, 600.0, 1200.0):
        store.put_stretch(stretch_of(start))
    store.exempt(StreamKey("motor", "m1"), 700.0, 900.0)
    store.flush()
    rows = sqlite3.connect(store.file).execute("SELECT start_seconds FROM stretch WHERE kept = 'alert'").fetchall()
    assert rows == [(600.0,)]
    assert sum(store.shares.exempt.values()) > 0
    assert store.shares.stretches == 3


def test_what_is_older_than_the_age_limit_goes_exempt_or_not(store: HistoryStore) -> None:
    store.put_stretch(stretch_of(0.0, kept="alert"))
    store.put_stretch(stretch_of(5000.0))
    store.put_line("motor", "m1", line_of(0.0, 10))
    store.put_alert(AlertRecord("a1", "motor", "m1", 10.0, 20.0, True, 2.5, "calm", ()))
    store.forget_before({"motor"}, 4000.0)
    store.flush()
    with History.open(store.file) as history:
        assert [each.start_seconds for each in history.stretches("motor", "m1")] == [5000.0]
        assert len(history.scores("motor", "m1")) == 0
        assert history.alerts("motor") == []
    assert not store.shares.line


def test_alerts_that_nobody_goes_on_with_are_ended(store: HistoryStore) -> None:
    for name in ("a1", "a2"):
        store.put_alert(AlertRecord(name, "motor", "m1", 10.0, math.inf, True, 2.5, None, ()))
    store.end_alerts_but({"a2"}, 99.0, "lost")
    store.flush()
    with History.open(store.file) as history:
        ended = {each.id: (each.to_seconds, each.end_reason) for each in history.alerts("motor")}
    assert ended == {"a1": (99.0, "lost"), "a2": (math.inf, None)}


def test_a_change_by_another_process_is_seen_and_counted_anew(store: HistoryStore) -> None:
    store.put_stretch(stretch_of(0.0))
    store.flush()
    assert not store.look_again()
    with sqlite3.connect(store.file) as other:
        other.execute("DELETE FROM stretch")
    assert store.look_again()
    assert store.shares.stretches == 0
    assert not store.look_again()


def test_a_stretch_whose_layout_nobody_put_is_refused(tmp_path: Path) -> None:
    store = HistoryStore(tmp_path / "history.sqlite", MIB)
    store.open()
    with pytest.raises(ValueError, match="layout"):
        store.put_stretch(stretch_of(0.0))
    store.close()


def test_a_damaged_file_is_put_aside_and_only_one_of_them_is_kept(tmp_path: Path) -> None:
    store = HistoryStore(tmp_path / "history.sqlite", MIB)
    for _ in range(2):
        store.close()
        store.file.write_bytes(b"no database at all" * 500)
        store.open()
        store.put_layout(LAYOUT)
        store.put_stretch(stretch_of(0.0))
        store.flush()
    assert store.moved_aside == 2
    assert len(list(tmp_path.glob("history.sqlite.damaged-*"))) == 1
    store.close()


def test_a_newer_file_and_a_foreign_one_are_left_alone(tmp_path: Path) -> None:
    store = HistoryStore(tmp_path / "history.sqlite", MIB)
    store.open()
    store.close()
    with sqlite3.connect(store.file) as database:
        database.execute("PRAGMA user_version=99")
    with pytest.raises(StoreError, match="newer residuald"):
        store.open()
    with pytest.raises(RecordingError, match="newer residuald"):
        History.open(store.file)
    with sqlite3.connect(store.file) as database:
        database.execute("PRAGMA application_id=7")
    with pytest.raises(StoreError, match="no history"):
        store.open()
    assert not list(tmp_path.glob("*.damaged-*"))
    with pytest.raises(RecordingError, match="there is no history"):
        History.open(tmp_path / "elsewhere.sqlite")


def test_a_full_disk_raises_and_what_was_committed_stays(store: HistoryStore) -> None:
    store.put_stretch(stretch_of(0.0))
    store.flush()
    with store._writing() as database:  # SQLite's own way to be full
        (pages,) = database.execute("PRAGMA page_count").fetchone()
        database.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(StoreError, match="full"):
        store.put_stretch(stretch_of(600.0, samples=50_000))
    assert store.shares.stretches == 1
    with History.open(store.file) as history:
        assert history.streams("motor")[0].stretches == 1


_WRITER = """
import sys
from pathlib import Path
from tests.unit.monitor.adapters.storage.test_history_store import LAYOUT, HistoryStore, stretch_of, line_of
store = HistoryStore(Path(sys.argv[1]), 1 << 30)
store.open()
store.put_layout(LAYOUT)
at = 0
while True:
    for _ in range(5):
        store.put_stretch(stretch_of(at * 600.0)); store.put_line("motor", "m1", line_of(at * 600.0, 20)); at += 1
    store.flush()
    print(at, flush=True)
"""


def test_a_process_that_is_killed_while_it_writes_leaves_a_readable_file(tmp_path: Path) -> None:
    file = tmp_path / "history.sqlite"
    done = 0
    for number in range(2):
        writer = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(file)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        for _ in range(3 + number):
            done = int(writer.stdout.readline())
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        with History.open(file) as history:
            assert history.streams("motor")[0].stretches >= done
            assert sum(each.samples for each in history.stretches("motor", "m1")) >= done * 600
