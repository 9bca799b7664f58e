"""`residuald label`: what a person says about an interval of a stream."""

import argparse
import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from monitor.commands.arguments import count
from monitor.commands.label_arguments import (
    add_history_options,
    add_speaker_options,
    instant,
    opened_history,
    require_known,
    shown,
)
from monitor.core.history.label import KINDS, MEANINGS, OPEN, Label, LabelKind, require_in_time
from monitor.errors import DataError

if TYPE_CHECKING:
    import sqlite3

_KINDS = "\n".join(f"  {kind:<12} {meaning}" for kind, meaning in MEANINGS.items())
_EPILOG = f"""\
kinds:
{_KINDS}

Times are ISO 8601, with an offset or in the zone of this machine, seconds since 1970, or e.g. `2h ago`; --to may be
`open`. Labels are written into the history, whether or not the daemon runs; refits look at them, and an alert that asks
for an answer has it with the first label about it. No label ends an alert.

examples:
  residuald label plant1.motor-17 maintenance --from 2026-03-01T08:00 --to 2026-03-01T12:00 --note "new bearing"
  residuald label plant1.motor-17 bad --from "3d ago" --to open
  residuald label --alert 6f0c2c1e-5a17-5c55-9d0e-4f1f7e0b2f11 false_alarm
  residuald label --list                       of one stream: residuald label --list plant1.motor-17
  residuald label --withdraw 17

exit codes:
  0 done   2 wrong use   65 no such stream, alert or label, or no history   73 the history cannot be written
  78 the configuration cannot be used
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe `residuald label`."""
    parser = subparsers.add_parser(
        "label",
        help="say what an interval of a stream was: a fault, a false alarm, maintenance, ...",
        description="Say what an interval of a stream was, list what was said, or withdraw it.",
        usage=(
            "residuald label STREAM KIND --from T --to T [--who NAME] [--note TEXT]\n"
            "       residuald label --alert ID KIND [--who NAME] [--note TEXT]\n"
            "       residuald label --list [STREAM] [--all] [--json]\n"
            "       residuald label --withdraw ID"
        ),
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("words", nargs="*", metavar="STREAM KIND", help="the stream, and one of the kinds below")
    parser.add_argument("--from", dest="since", type=instant, metavar="T", help="when the interval begins")
    parser.add_argument("--to", dest="until", type=_end, metavar="T", help="when it ends; `open`: it has no end yet")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--alert", metavar="ID", help="take stream and interval from this alert")
    what.add_argument("--list", action="store_true", help="list the labels there are")
    what.add_argument("--withdraw", type=count, metavar="ID", help="let this label count no more")
    add_speaker_options(parser)
    parser.add_argument("--all", action="store_true", help="with --list: also those that were withdrawn")
    parser.add_argument("--json", action="store_true", help="with --list: a JSON object per line")
    add_history_options(parser)
    parser.set_defaults(run=run, usage_error=parser.error)


def run(args: argparse.Namespace) -> int:
    """Add, list or withdraw labels.

    Raises:
        DataError: there is no such stream, alert, label or history, or what was given is no label.
        OutputError: the history cannot be written.
        ConfigError: the configuration cannot be used.

    """
    words: list[str] = args.words
    if args.list:
        return _list(args, words)
    if args.withdraw is not None:
        return _withdraw(args)
    wanted = ["KIND"] if args.alert else ["STREAM", "KIND"]
    if len(words) != len(wanted):
        args.usage_error(f"give {' and '.join(wanted)}; kinds are {', '.join(KINDS)}")
    if words[-1] not in KINDS:
        args.usage_error(f"{words[-1]!r} is no kind of label: there are {', '.join(KINDS)}")
    if args.alert and (args.since is not None or args.until is not None):
        args.usage_error("--alert brings its interval along: leave --from and --to out")
    if not args.alert and (args.since is None or args.until is None):
        args.usage_error("say when it was: --from T --to T (--to open where it goes on)")
    with opened_history(args) as database:
        label = _wanted(args, database, cast(LabelKind, words[-1]))
        _keep(database, label)
    return 0


def _wanted(args: argparse.Namespace, database: "sqlite3.Connection", kind: LabelKind) -> Label:
    """The label that a person asks for."""
    from monitor.readers.label_targets import find_alert  # noqa: PLC0415 - keeps it out of --help

    now = time.time()
    if args.alert:
        alert = find_alert(database, args.alert)
        stream, since, until = alert.stream, alert.from_seconds, alert.until(now)
        if alert.to_seconds == OPEN:
            print("The alert is still open: what it has been so far is labelled.")
    else:
        stream, since, until = args.words[0], args.since, args.until
        if not args.anyway:
            require_known(database, stream)
    return require_in_time(Label(stream, since, until, kind, args.who, now, "command", args.note))


def _keep(database: "sqlite3.Connection", label: Label) -> None:
    from monitor.adapters.storage.label_table import add_label  # noqa: PLC0415 - keeps it out of --help

    kept = add_label(database, label)
    if kept.at_seconds != label.at_seconds:
        print(f"{kept.who} has said so already, at {shown(kept.at_seconds)}: label {kept.id}.")
        return
    print(f"Label {kept.id}: {kept.stream} {kept.kind} from {shown(kept.from_seconds)} to {shown(kept.to_seconds)}")
    print(f"{kept.kind}: {MEANINGS[kept.kind]}.")


def _withdraw(args: argparse.Namespace) -> int:
    from monitor.adapters.storage.label_table import withdraw_label  # noqa: PLC0415 - keeps it out of --help

    if args.words:
        args.usage_error("--withdraw takes the number of a label and nothing else")
    with opened_history(args) as database:
        label = withdraw_label(database, args.withdraw, time.time())
    if label is None:
        raise DataError(f"there is no label {args.withdraw}; `residuald label --list` shows those there are")
    print(f"Label {label.id} counts no more since {shown(label.withdrawn_seconds or 0.0)}.")
    print("A refit that it went into is not undone: the next one does without it.")
    return 0


def _list(args: argparse.Namespace, words: Sequence[str]) -> int:
    from monitor.readers.label_rows import read_labels  # noqa: PLC0415 - keeps it out of --help

    if len(words) > 1:
        args.usage_error("--list takes one stream, or none for all")
    with opened_history(args) as database:
        labels = read_labels(database, words[0] if words else None, withdrawn=args.all)
    if args.json:
        for label in labels:
            print(json.dumps(_fields(label)))
    elif labels:
        _print_table(labels)
    else:
        print("No labels.")
    return 0


def _fields(label: Label) -> dict[str, object]:
    return {
        "id": label.id,
        "stream": label.stream,
        "kind": label.kind,
        "from": label.from_seconds,
        "to": None if label.is_open else label.to_seconds,
        "who": label.who,
        "at": label.at_seconds,
        "source": label.source,
        "note": label.note,
        "withdrawn": label.withdrawn_seconds,
    }


def _print_table(labels: Sequence[Label]) -> None:
    rows = [("id", "stream", "kind", "from", "to", "who", "at", "source", "note")]
    for label in labels:
        note = label.note if label.withdrawn_seconds is None else f"(withdrawn) {label.note}".strip()
        times = (label.from_seconds, label.to_seconds, label.at_seconds)
        since, until, at = map(shown, times)
        rows.append((str(label.id), label.stream, label.kind, since, until, label.who, at, label.source, note))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _end(text: str) -> float:
    return OPEN if text == "open" else instant(text)
