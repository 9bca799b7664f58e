"""The store keeps what is committed, nothing is in it twice, and what older versions kept is taken over."""

import sqlite3
import struct
from pathlib import Path

import pytest

from monitor.adapters.storage.database import VERSION
from monitor.adapters.storage.disk_store import DiskStore
from monitor.core.ports import Delivery, OutboxRow, Progress, StepKey, StoreError

NOW = 1_700_000_000.0


def opened(folder: Path) -> DiskStore:
    store = DiskStore(folder)
    store.open()
    return store


def row(alert: str, step: int, sink: str = "mqtt", *, ends: bool = False) -> OutboxRow:
    payload = f'{{"id": "{alert}", "step": {step}}}'.encode()
    return OutboxRow(sink, Delivery(StepKey(alert, step), "m/alert", payload, b"begun"), ends)


def done(alert: str, step: int, sink: str = "mqtt") -> tuple[str, Progress]:
    return sink, Progress(StepKey(alert, step), b"", done=True)


def keys(deliveries: list[Delivery]) -> list[tuple[str, int]]:
    return [(each.key.alert, each.key.step) for each in deliveries]


def test_commits_are_kept_when_the_connection_is_never_closed(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.append(b"one", (), (), NOW)
    store.append(b"two", [row("a", 0)], (), NOW)
    other = opened(tmp_path)
    assert list(other.steps(0)) == [b"one", b"two"]
    assert list(other.steps(1)) == [b"two"]
    assert (other.id, other.last, other.nbytes) == (store.id, 2, 6)
    assert keys(other.undelivered("mqtt")) == [("a", 0)]


def test_numbers_of_steps_are_never_used_again(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.append(b"one", (), (), NOW)
    store.forget(1, set())
    store.close()
    store.open()
    store.append(b"two", (), (), NOW)
    assert store.last == 2


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="not open"):
        DiskStore(tmp_path).append(b"x", (), (), NOW)


def test_each_sink_has_its_own_progress(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.append(None, [row("a", 0), row("a", 0, "hook")], (), NOW)
    received = Progress(StepKey("a", 0), b"received", done=False)
    store.append(None, (), [("mqtt", received), done("a", 0, "hook")], NOW)
    assert [each.progress for each in store.undelivered("mqtt")] == [b"received"]
    assert store.undelivered("hook") == []


def test_a_step_that_is_there_already_stays_as_it_is(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.append(None, [row("a", 0)], (), NOW)
    store.append(None, (), [done("a", 0)], NOW)
    store.append(None, [row("a", 0)], (), NOW)
    assert store.undelivered("mqtt") == []
    assert store.known("mqtt", [StepKey("a", 0), StepKey("a", 1)]) == {StepKey("a", 0)}
    assert store.known("hook", [StepKey("a", 0)]) == set()


def test_an_alert_has_several_steps_and_comes_back_in_their_order(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.append(None, [row("a", 0), row("b", 0), row("a", 1)], (), NOW)
    store.append(None, [row("a", 2)], (), NOW)
    assert keys(store.undelivered("mqtt")) == [("a", 0), ("b", 0), ("a", 1), ("a", 2)]


def test_an_alert_is_forgotten_when_it_is_over_and_delivered_everywhere(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.append(
        b"x", [row("a", 0), row("a", 0, "hook"), row("a", 1, ends=True), row("a", 1, "hook", ends=True)], (), NOW
    )
    store.append(None, (), [done("a", 0), done("a", 1), done("a", 0, "hook")], NOW)
    store.forget(store.last, set())
    assert keys(store.undelivered("hook")) == [("a", 1)]
    assert store.known("mqtt", [StepKey("a", 0)])  # as long as a sink needs it: judged again, it is not said again
    store.append(None, (), [done("a", 1, "hook")], NOW)
    store.forget(store.last, set())
    assert not store.known("mqtt", [StepKey("a", 0)])


def test_alerts_without_an_end_are_named_by_their_last_step(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.append(None, [row("a", 0), row("a", 1), row("b", 0), row("b", 1, ends=True), row("c", 0)], (), NOW)
    assert keys(store.unended({"c"})) == [("a", 1)]


def test_the_last_step_is_the_one_of_the_highest_number_also_where_a_sink_is_given_an_earlier_one_later(
    tmp_path: Path,
) -> None:
    store = opened(tmp_path)
    store.append(None, [row("a", 0), row("a", 1)], (), NOW)
    store.append(None, [row("a", 0, "hook")], (), NOW)
    assert keys(store.unended(set())) == [("a", 1)]


def test_an_alert_that_is_over_stays_while_a_checkpoint_may_hold_it_as_open(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.append(None, [row("a", 0), row("a", 1, ends=True), row("b", 0)], [done("a", 0), done("a", 1)], NOW)
    store.append(None, (), [done("a", 0), done("a", 1)], NOW)
    store.forget(store.last, {"a", "b"})
    assert store.ended({"a", "b"}) == {"a"}
    store.forget(store.last, {"b"})
    assert store.ended({"a", "b"}) == set()


def test_places_of_states_are_kept_by_sink_and_a_journal_of_version_1_has_none_yet(tmp_path: Path) -> None:
    opened(tmp_path).close()
    database = sqlite3.connect(tmp_path / "journal.sqlite")
    database.executescript("DROP TABLE retained; PRAGMA user_version=1;")
    database.close()
    store = opened(tmp_path)
    assert store.retained() == []
    store.note_retained([("mqtt", "a"), ("mqtt", "b"), ("hook", "a")], ())
    store.note_retained([("mqtt", "a")], [("mqtt", "b")])
    assert sorted(opened(tmp_path).retained()) == [("hook", "a"), ("mqtt", "a")]


def test_deliveries_that_no_sink_takes_any_more_are_given_up_and_counted(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.append(None, [row(str(number), 0) for number in range(5)], (), NOW)
    store.append(None, [row("a", 0, "gone"), row("old", 0, "hook")], (), NOW - 100)
    store.append(None, [row("new", 0, "hook")], (), NOW)
    assert store.trim(["mqtt", "hook"], 3, NOW - 50) == {"mqtt": 2, "gone": 1, "hook": 1}
    assert keys(store.undelivered("mqtt")) == [("2", 0), ("3", 0), ("4", 0)]
    assert keys(store.undelivered("hook")) == [("new", 0)]
    assert store.trim(["mqtt", "hook"], 3, NOW - 50) == {}


def test_the_database_is_one_that_a_power_cut_leaves_whole(tmp_path: Path) -> None:
    database = opened(tmp_path)._database
    assert database is not None
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert database.execute("PRAGMA synchronous").fetchone() == (1,)  # NORMAL
    assert database.execute("PRAGMA user_version").fetchone() == (VERSION,)


def written_by_ada64b2(folder: Path) -> None:
    """A journal as commit ada64b2 laid it out, with alerts at every stage of their delivery."""
    database = sqlite3.connect(folder / "journal.sqlite")
    database.executescript(
        """
        CREATE TABLE journal (id TEXT NOT NULL);
        CREATE TABLE step (number INTEGER PRIMARY KEY AUTOINCREMENT, record BLOB NOT NULL);
        CREATE TABLE alert (
          id TEXT, phase TEXT, topic TEXT NOT NULL, payload BLOB NOT NULL, step INTEGER NOT NULL, nth INTEGER NOT NULL,
          packet_id INTEGER NOT NULL, received INTEGER NOT NULL DEFAULT 0, delivered INTEGER NOT NULL DEFAULT 0,
          PRIMARY KEY (id, phase)
        ) WITHOUT ROWID;
        INSERT INTO journal VALUES ('theirs');
        INSERT INTO step (record) VALUES (x'00');
        """
    )
    alerts = [
        ("fired", "pending", b'{"fired": false}', 1, 0, 0x8001, 1, 1),
        ("fired", "firing", b'{"fired": true}', 1, 1, 0x8002, 1, 0),
        ("fired", "resolved", b'{"fired": true}', 1, 2, 0x8003, 0, 0),
        ("lapsed", "pending", b'{"fired": false}', 1, 3, 0x8004, 0, 0),
        ("lapsed", "resolved", b'{"fired": false}', 1, 4, 0x8005, 0, 0),
        ("open", "pending", b'{"fired": false}', 1, 5, 0x8006, 1, 1),
    ]
    insert = "INSERT INTO alert VALUES (?, ?, 'm/alert', ?, ?, ?, ?, ?, ?)"
    database.executemany(insert, alerts)
    database.commit()
    database.close()


def test_what_commit_ada64b2_had_not_delivered_goes_on_under_its_packet_identifiers(tmp_path: Path) -> None:
    written_by_ada64b2(tmp_path)
    store = opened(tmp_path)
    assert (store.id, store.last, store.moved_aside) == ("theirs", 1, 0)
    waiting = store.undelivered("mqtt")
    assert keys(waiting) == [("fired", 1), ("fired", 2), ("lapsed", 0), ("lapsed", 1)]
    assert [struct.unpack(">HB", each.progress) for each in waiting] == [
        (0x8002, 1),
        (0x8003, 0),
        (0x8004, 0),
        (0x8005, 0),
    ]
    assert keys(store.unended(set())) == [("open", 0)]
    again = opened(tmp_path)
    assert keys(again.undelivered("mqtt")) == keys(waiting)


def test_numbers_of_steps_go_on_where_all_steps_were_forgotten(tmp_path: Path) -> None:
    store = opened(tmp_path)
    for record in (b"one", b"two"):
        store.append(record, (), (), NOW)
    store.forget(store.last, set())
    store.close()
    again = opened(tmp_path)
    again.append(b"three", (), (), NOW)
    assert again.last == 3
    assert list(again.steps(2)) == [b"three"]


def test_a_journal_whose_steps_sqlite_numbered_goes_on_with_their_numbers(tmp_path: Path) -> None:
    file = tmp_path / "journal.sqlite"
    opened(tmp_path).close()
    database = sqlite3.connect(file)
    database.executescript(
        """
        DROP TABLE journal; DROP TABLE step;
        CREATE TABLE journal (id TEXT NOT NULL);
        CREATE TABLE step (number INTEGER PRIMARY KEY AUTOINCREMENT, record BLOB NOT NULL);
        INSERT INTO journal VALUES ('theirs');
        INSERT INTO step (record) VALUES (x'01'), (x'02'), (x'03');
        DELETE FROM step WHERE number <> 2;
        PRAGMA user_version=1;
        """
    )
    database.close()
    store = opened(tmp_path)
    assert (store.id, store.last, store.moved_aside) == ("theirs", 3, 0)
    store.append(b"four", (), (), NOW)
    assert list(store.steps(0)) == [b"\x02", b"four"]
    assert store.last == 4


def test_a_journal_of_a_newer_version_is_left_alone_and_said(tmp_path: Path) -> None:
    opened(tmp_path).close()
    database = sqlite3.connect(tmp_path / "journal.sqlite")
    database.execute(f"PRAGMA user_version={VERSION + 1}")
    database.close()
    with pytest.raises(StoreError, match="newer residuald"):
        opened(tmp_path)
    assert list(tmp_path.glob("*.damaged-*")) == []


@pytest.mark.parametrize("damage", [b"no database at all, but long enough to look at" * 9, b""])
def test_a_damaged_database_is_put_aside_and_a_few_of_them_are_kept(tmp_path: Path, damage: bytes) -> None:
    for _ in range(4):
        opened(tmp_path).close()
        (tmp_path / "journal.sqlite").write_bytes(damage or bytes(100_000))
        store = opened(tmp_path)
        assert store.moved_aside == 1
        store.append(b"x", (), (), NOW)
        store.close()
    assert len(list(tmp_path.glob("journal.sqlite.damaged-*"))) == 2


def test_alerts_that_cannot_be_migrated_count_as_damage(tmp_path: Path) -> None:
    written_by_ada64b2(tmp_path)
    database = sqlite3.connect(tmp_path / "journal.sqlite")
    database.execute("UPDATE alert SET payload = x'ff' WHERE phase = 'resolved'")
    database.commit()
    database.close()
    assert opened(tmp_path).moved_aside == 1


def test_a_folder_that_cannot_be_made_is_an_error_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="file"):
        opened(tmp_path / "file" / "below")


def test_a_journal_of_this_version_is_read_where_nothing_can_be_written(tmp_path: Path) -> None:
    opened(tmp_path).append(b"one", (), (), NOW)
    (file,) = tmp_path.rglob("*.sqlite")
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")  # as on a full disk, no other write succeeds
    assert list(opened(tmp_path).steps(0)) == [b"one"]
    holder.close()
