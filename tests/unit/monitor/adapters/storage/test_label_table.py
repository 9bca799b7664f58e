import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor.adapters.storage import label_table
from monitor.adapters.storage.label_table import LabelLimitError, add_label, withdraw_label
from monitor.core.history.label import MAX_OPEN_PER_STREAM, OPEN, Label
from monitor.readers.label_rows import read_labels


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    database = connected(tmp_path)
    database.executescript(label_table.TABLE)
    yield database
    database.close()


def connected(folder: Path) -> sqlite3.Connection:
    database = sqlite3.connect(folder / "history.sqlite", timeout=10, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    return database


def label(**changed: Any) -> Label:
    fields: dict[str, Any] = {
        "stream": "motor",
        "from_seconds": 1000.0,
        "to_seconds": 2000.0,
        "kind": "confirmed",
        "who": "ann",
        "at_seconds": 2500.0,
        "source": "command",
        "note": "bearing",
    }
    return Label(**fields | changed)


def test_a_label_is_read_as_it_was_kept(database: sqlite3.Connection) -> None:
    kept = add_label(database, label(to_seconds=OPEN))
    assert kept.id is not None
    assert kept == label(to_seconds=OPEN, id=kept.id)
    assert read_labels(database) == [kept]


def test_labels_are_found_by_stream_and_by_what_they_overlap(database: sqlite3.Connection) -> None:
    early, open_one = add_label(database, label()), add_label(database, label(from_seconds=5000.0, to_seconds=OPEN))
    other = add_label(database, label(stream="pump"))
    assert read_labels(database, "motor") == [early, open_one]
    assert read_labels(database, since=2000.0) == [open_one]
    assert read_labels(database, until=1500.0) == [early, other]


def test_the_same_said_again_is_one_label(database: sqlite3.Connection) -> None:
    first = add_label(database, label())
    assert add_label(database, label(who="ben", at_seconds=9999.0)) == first
    assert len(read_labels(database)) == 1


def test_what_was_withdrawn_counts_no_more_and_can_be_looked_up_and_said_anew(database: sqlite3.Connection) -> None:
    kept = add_label(database, label())
    gone = withdraw_label(database, kept.id or 0, 3000.0)
    assert gone == label(id=kept.id, withdrawn_seconds=3000.0)
    assert withdraw_label(database, kept.id or 0, 4000.0) == gone
    assert read_labels(database) == []
    assert read_labels(database, withdrawn=True) == [gone]
    assert add_label(database, label()).id != kept.id


def test_a_label_that_there_is_not_cannot_be_withdrawn(database: sqlite3.Connection) -> None:
    assert withdraw_label(database, 17, 3000.0) is None


def test_a_command_walked_through_again_is_kept_once_even_if_its_label_was_withdrawn(
    database: sqlite3.Connection,
) -> None:
    kept = add_label(database, label(), key="command 1")
    withdraw_label(database, kept.id or 0, 3000.0)
    assert add_label(database, label(), key="command 1").id == kept.id
    assert read_labels(database) == []


def test_open_labels_of_a_stream_are_bounded_and_a_withdrawn_one_makes_room(database: sqlite3.Connection) -> None:
    kept = [add_label(database, label(from_seconds=n + 1.0, to_seconds=OPEN)) for n in range(MAX_OPEN_PER_STREAM)]
    with pytest.raises(LabelLimitError, match="withdraw one"):
        add_label(database, label(from_seconds=99.0, to_seconds=OPEN))
    add_label(database, label(from_seconds=99.0, to_seconds=OPEN, stream="pump"))
    add_label(database, label())
    withdraw_label(database, kept[0].id or 0, 3000.0)
    add_label(database, label(from_seconds=99.0, to_seconds=OPEN))


@pytest.mark.parametrize("limit", ["MAX_LABELS_PER_STREAM", "MAX_LABELS"])
def test_labels_are_bounded_those_withdrawn_included(
    database: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(label_table, limit, 2)
    kept = add_label(database, label())
    add_label(database, label(from_seconds=1.0))
    withdraw_label(database, kept.id or 0, 3000.0)
    with pytest.raises(LabelLimitError, match="which is the most"):
        add_label(database, label(from_seconds=2.0))
    assert not database.in_transaction


def test_two_who_say_the_same_at_once_are_kept_once(database: sqlite3.Connection, tmp_path: Path) -> None:
    start = threading.Barrier(4)

    def say() -> None:
        mine = connected(tmp_path)
        start.wait()
        add_label(mine, label())
        mine.close()

    threads = [threading.Thread(target=say) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read_labels(database)) == 1
