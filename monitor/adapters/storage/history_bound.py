"""The bound of the history: what is deleted, so that the file stays as large as it may be.

Everything here works within the transaction of the caller, and keeps the tallies as they will be once it is committed.
"""

import sqlite3

from monitor.core.history.shares import Shares, StreamKey, givers
from monitor.core.history.stretch import EXEMPT

IS_EXEMPT = f"kept IN ({', '.join(repr(each) for each in EXEMPT)})"

_FULL = 0.95  # of the bound: what deleting comes down to, so that not every flush deletes
_LINE_SHARE = 0.25  # of the bound, that score lines may take
_EXEMPT_SHARE = 0.5  # of the bound, that may be exempt from ageing
_MOST_ALERTS = 100_000


def keep_within(database: sqlite3.Connection, shares: Shares, max_bytes: int) -> None:
    """Delete what is too much. max_bytes: the bound of the file.

    Raises:
        sqlite3.Error: it cannot be written.

    """
    excess = sum(shares.line.values()) - int(max_bytes * _LINE_SHARE)
    if excess > 0:
        for key, given in list(givers(shares.line, excess + int(max_bytes * _LINE_SHARE * (1 - _FULL)))):
            _shorten_line(database, shares, key, given)
    excess = sum(shares.exempt.values()) - int(max_bytes * _EXEMPT_SHARE)
    if excess > 0:
        for key, given in list(givers(shares.exempt, excess)):
            _let_age(database, shares, key, given)
    if used_bytes(database) > max_bytes:
        _thin_out(database, shares, used_bytes(database) - int(max_bytes * _FULL))
    (alerts,) = database.execute("SELECT count(*) FROM alert").fetchone()
    if alerts > _MOST_ALERTS:
        over = "DELETE FROM alert WHERE id IN (SELECT id FROM alert ORDER BY from_seconds LIMIT ?)"
        database.execute(over, (alerts - int(_MOST_ALERTS * _FULL),))


def is_full(database: sqlite3.Connection, max_bytes: int) -> bool:
    """Whether so little room is left that something was deleted to make it."""
    return used_bytes(database) > max_bytes * _FULL * _FULL


def used_bytes(database: sqlite3.Connection) -> int:
    """Bytes of the file that hold something."""
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    (free,) = database.execute("PRAGMA freelist_count").fetchone()
    (size,) = database.execute("PRAGMA page_size").fetchone()
    return int((pages - free) * size)


def delete_stretch(
    database: sqlite3.Connection, shares: Shares, key: StreamKey, number: int, stratum: str, kept: str, nbytes: int
) -> None:
    """Delete one stretch. number: its id; the others as they stand in its row."""
    database.execute("DELETE FROM stretch WHERE id = ?", (number,))
    shares.add(key, stratum, -nbytes, exempt=kept in EXEMPT, stretches=-1)


def exempt_labelled(database: sqlite3.Connection) -> None:
    """Exempt what lies within labels that count and have an end, and let age again what no label covers any more.

    The tallies have to be made anew after this.
    """
    database.execute("UPDATE stretch SET kept = 'sample' WHERE kept = 'label'")
    labels = database.execute(
        "SELECT from_seconds, to_seconds, stream FROM label WHERE to_seconds IS NOT NULL AND withdrawn_seconds IS NULL"
    ).fetchall()
    database.executemany(
        "UPDATE stretch SET kept = 'label' WHERE end_seconds >= ? AND start_seconds <= ? AND stream = ? "
        "AND kept <> 'alert' AND model IN (SELECT model FROM layout)",
        labels,
    )


def _thin_out(database: sqlite3.Connection, shares: Shares, excess: int) -> None:
    for key, given in list(givers(shares.ordinary, excess)):
        for stratum, amount in list(givers(shares.strata(key), min(given, excess))):
            if excess <= 0:  # stretches come whole: the streams before gave more than they had to
                return
            excess -= _thin_stratum(database, shares, key, stratum, amount)


def _thin_stratum(database: sqlite3.Connection, shares: Shares, key: StreamKey, stratum: str, amount: int) -> int:
    """Delete what has the lowest priority of a stratum, at least `amount` bytes of it. Returns how many it were."""
    freed = 0
    rows = database.execute(
        "SELECT id, kept, nbytes, priority FROM stretch WHERE model = ? AND stream = ? AND stratum = ? "  # noqa: S608 - no part comes from outside
        f"AND NOT {IS_EXEMPT} ORDER BY priority",
        (*key, stratum),
    ).fetchall()
    for number, kept, nbytes, priority in rows:
        delete_stretch(database, shares, key, number, stratum, kept, nbytes)
        shares.raise_bar(key, stratum, priority)
        freed += nbytes
        if freed >= amount:
            break
    return freed


def _let_age(database: sqlite3.Connection, shares: Shares, key: StreamKey, amount: int) -> None:
    """Let the oldest of what a stream has exempt age again, what only an alert exempts first."""
    rows = database.execute(
        "SELECT id, stratum, nbytes FROM stretch WHERE model = ? AND stream = ? "  # noqa: S608 - no part comes from outside
        f"AND {IS_EXEMPT} ORDER BY kept, start_seconds",
        key,
    ).fetchall()
    for number, stratum, nbytes in rows:
        if amount <= 0:
            return
        database.execute("UPDATE stretch SET kept = 'sample' WHERE id = ?", (number,))
        shares.add(key, stratum, -nbytes, exempt=True, stretches=0)
        shares.add(key, stratum, nbytes, stretches=0)
        amount -= nbytes


def _shorten_line(database: sqlite3.Connection, shares: Shares, key: StreamKey, amount: int) -> None:
    """Delete the oldest blocks of a stream's score line, at least `amount` bytes of them."""
    rows = database.execute(
        "SELECT rowid, nbytes FROM line WHERE model = ? AND stream = ? ORDER BY start_seconds", key
    ).fetchall()
    for number, nbytes in rows:
        if amount <= 0:
            return
        database.execute("DELETE FROM line WHERE rowid = ?", (number,))
        shares.add_line(key, -nbytes)
        amount -= nbytes
