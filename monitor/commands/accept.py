"""`residuald accept`: after a repair or a lasting change, what a stream shows is normal from now on."""

import argparse
import time
from typing import TYPE_CHECKING

from monitor.commands.label_arguments import (
    add_history_options,
    add_speaker_options,
    instant,
    opened_history,
    require_known,
    shown,
)
from monitor.core.history.label import OPEN, Label, require_in_time

if TYPE_CHECKING:
    import sqlite3

_EPILOG = """\
Run it once the machine runs as it is meant to: whatever it shows since --since is learnt as normal, a fault as well.
The next refit of its model learns it, whatever alerts there were; the first refit with it that is promoted is from then
on what the stream is held to. Nothing changes before: an alert that is open goes on (mute it meanwhile), and stops
asking for an answer. To say that only an interval was normal, use `residuald label`.

--since is the time of the change, ISO 8601 with an offset or in the zone of this machine, seconds since 1970, or e.g.
`2h ago`. `residuald label --withdraw` takes it back.

examples:
  residuald accept plant1.motor-17 --since 2026-03-01T14:00 --note "bearing replaced"
  residuald accept plant1.motor-17 --since "6h ago" --who ann

exit codes:
  0 done   2 wrong use   65 no such stream, or no history   73 the history cannot be written
  78 the configuration cannot be used
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe `residuald accept`."""
    parser = subparsers.add_parser(
        "accept",
        help="after a repair or a lasting change: what a stream shows is normal from now on",
        description="Say that what a stream shows since a change is normal from now on.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("stream", metavar="STREAM", help="the stream")
    parser.add_argument("--since", type=instant, required=True, metavar="T", help="when the change was")
    add_speaker_options(parser)
    add_history_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Keep the label, and say what follows from it.

    Raises:
        DataError: there is no such stream or history, or the time is no time for it.
        OutputError: the history cannot be written.
        ConfigError: the configuration cannot be used.

    """
    now = time.time()
    with opened_history(args) as database:
        wanted = Label(args.stream, args.since, OPEN, "new_normal", args.who, now, "accept", args.note)
        require_in_time(wanted)
        if not args.anyway:
            require_known(database, args.stream)
        _keep(database, wanted)
    return 0


def _keep(database: "sqlite3.Connection", wanted: Label) -> None:
    from monitor.adapters.storage.label_table import add_label  # noqa: PLC0415 - keeps it out of --help
    from monitor.readers.label_targets import models_of_stream  # noqa: PLC0415

    kept = add_label(database, wanted)
    if kept.at_seconds != wanted.at_seconds:
        print(f"{kept.who} has accepted that already, at {shown(kept.at_seconds)}: label {kept.id}.")
        return
    models = models_of_stream(database, kept.stream)
    of = f" of model {' and '.join(models)}" if models else ""
    print(f"Label {kept.id}: what {kept.stream} shows since {shown(kept.from_seconds)} is normal.")
    print(f"The next refit{of} learns it; the first one with it that is promoted is what the stream is held to then.")
    print("Until then nothing changes; an alert that is open goes on, and asks no more.")
    print(f"To take it back: residuald label --withdraw {kept.id}")
