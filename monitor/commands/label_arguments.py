"""What `history`, `label` and `accept` share: where the history lies, who speaks, how times are read and shown."""

import argparse
import getpass
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.core.history.label import MAX_NOTE, MAX_TEXT, LabelError
from monitor.core.values.instant import read_instant
from monitor.core.values.names import safe_name
from monitor.errors import DataError, OutputError
from monitor.readers.history_file import UNIT_HISTORY

if TYPE_CHECKING:  # pydantic is loaded when the command runs, so that --help is quick
    import sqlite3

UNIT_CONFIG = Path("/etc/residuald/monitor.toml")


def add_history_options(parser: argparse.ArgumentParser) -> None:
    """Let a person name the history."""
    where = parser.add_argument_group("where the history lies")
    place = where.add_mutually_exclusive_group()
    place.add_argument("--history", type=Path, metavar="FILE", help="history.sqlite itself")
    place.add_argument(
        "--config", type=Path, metavar="FILE", help=f"the daemon's configuration (default: {UNIT_CONFIG})"
    )


def add_speaker_options(parser: argparse.ArgumentParser) -> None:
    """Let a person say who they are and why."""
    parser.add_argument("--who", metavar="NAME", default=_login(), help="who says so (default: %(default)s)")
    parser.add_argument("--note", metavar="TEXT", default="", help=f"why, in up to {MAX_NOTE} characters")
    parser.add_argument("--anyway", action="store_true", help="also for a stream that the history has nothing of")


def history_of(args: argparse.Namespace) -> Path:
    """The history that a person means.

    Raises:
        ConfigError: the configuration cannot be read.
        DataError: it does not tell.

    """
    if args.history is not None:
        return Path(args.history)
    from monitor.setup.config_file import load_config  # noqa: PLC0415 - keeps pydantic out of --help

    config: Path = args.config or UNIT_CONFIG
    if args.config is None and not config.exists():
        raise DataError("name the history with --history FILE, or the daemon's configuration with --config FILE")
    loaded = load_config(config, secrets=False)
    if loaded.history_file is not None:
        return loaded.history_file
    if loaded.history.enabled is False:
        raise DataError(f"{config} has the history switched off ([history] enabled)")
    if UNIT_HISTORY.exists():
        return UNIT_HISTORY
    raise DataError(f"{config} names no journal.path, beside which the history would lie; name it with --history FILE")


@contextmanager
def opened_history(args: argparse.Namespace) -> "Iterator[sqlite3.Connection]":
    """Open the history that a person means, for labels.

    Raises:
        ConfigError: the configuration cannot be read.
        DataError: there is no history, or what was to be said is no label.
        OutputError: it cannot be written.

    """
    from monitor.adapters.storage.label_file import NoHistoryError, open_for_labels  # noqa: PLC0415 as above
    from monitor.core.ports import StoreError  # noqa: PLC0415

    try:
        with open_for_labels(history_of(args)) as database:
            yield database
    except LabelError as error:
        raise DataError(str(error)) from None
    except NoHistoryError as error:
        raise DataError(str(error)) from None
    except StoreError as error:
        raise OutputError(str(error)) from None


def require_known(database: "sqlite3.Connection", stream: str) -> None:
    """Hold a stream to be one that the history has something of.

    Raises:
        LabelError: it has nothing; the text names streams that are called alike.

    """
    from monitor.readers.label_targets import models_of_stream, stream_names  # noqa: PLC0415 as above

    if models_of_stream(database, stream):
        return
    alike = get_close_matches(stream, stream_names(database), 3)
    meant = f" Did you mean {' or '.join(alike)}?" if alike else ""
    raise LabelError(f"the history has nothing of a stream {stream}.{meant} With --anyway it is kept nevertheless")


def instant(text: str) -> float:
    """Parse a time that a person writes; one without an offset is in the zone of this machine."""
    try:
        return read_instant(text, time.time(), datetime.astimezone)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def shown(seconds: float) -> str:
    """A time in the zone of this machine, with its offset, so that nobody has to guess; infinity: `open`."""
    if seconds == float("inf"):
        return "open"
    return datetime.fromtimestamp(int(seconds)).astimezone().isoformat(sep=" ")


def _login() -> str:
    """Who runs the command, also behind `sudo`."""
    try:
        name = os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # a number without a name
        name = f"uid {os.getuid()}"
    return safe_name(name)[:MAX_TEXT]
