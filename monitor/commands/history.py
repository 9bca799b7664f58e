"""`residuald history`: what the daemon remembers of each stream, as a table or a file, and how to have it forgotten."""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.commands.label_arguments import UNIT_CONFIG, add_history_options, history_of, instant
from monitor.errors import DataError, OutputError

if TYPE_CHECKING:  # loaded when the command runs, so that --help is quick
    from monitor.core.dataset.recording import Recording
    from monitor.readers.history import History

_EPILOG = """\
Shows, for each stream, how much of its time is kept as samples, and how many alerts and labels there are. --export
writes the samples of one stream to a file that `residuald-trainer fit` and `residuald replay` read; gaps are segments
of an NPZ, and steps in time of a CSV.

`residuald history forget STREAM` deletes all that is kept of a stream, its labels among it, overwrites the bytes, and
lists the artifacts that were fitted to it: they, their golden windows and the anchor's data may hold its samples still.
To keep nothing of it from now on, set `history = false` in its `[[model]]`.

Times are ISO 8601, with an offset or in the zone of this machine, seconds since 1970, or e.g. `2d ago`.

examples:
  residuald history
  residuald history --stream plant1.motor-17 --since "30d ago"
  residuald history --stream plant1.motor-17 --since "30d ago" --export motor-17.npz
  residuald history forget ward.bed-3

exit codes:
  0 done   2 wrong use   65 no history, or nothing of that stream   73 a file cannot be written
  78 the configuration cannot be used
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe `residuald history`."""
    parser = subparsers.add_parser(
        "history",
        help="what is remembered of each stream; take it out, or have it forgotten",
        description="Show what the daemon remembers, write it to a file, or have it forgotten.",
        usage=(
            "residuald history [--stream S] [--model M] [--since T] [--until T] [--export FILE]\n"
            "       residuald history forget STREAM"
        ),
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("words", nargs="*", metavar="forget STREAM", help="delete all that is kept of a stream")
    parser.add_argument("--stream", metavar="S", help="of this stream alone")
    parser.add_argument("--model", metavar="M", help="of this model alone")
    parser.add_argument("--since", type=instant, default=float("-inf"), metavar="T", help="from then on")
    parser.add_argument("--until", type=instant, default=float("inf"), metavar="T", help="until then")
    parser.add_argument("--export", type=Path, metavar="FILE", help="write samples; .npz or .csv, must not exist")
    add_history_options(parser)
    parser.set_defaults(run=run, usage_error=parser.error)


def run(args: argparse.Namespace) -> int:
    """Show, export or forget.

    Raises:
        DataError: there is no history, or nothing of what was asked for.
        OutputError: a file cannot be written.
        ConfigError: the configuration cannot be used.

    """
    from monitor.core.dataset.recording import RecordingError  # noqa: PLC0415 - keeps numpy out of --help
    from monitor.readers.history import History  # noqa: PLC0415 - likewise

    if args.words:
        if len(args.words) != 2 or args.words[0] != "forget":
            args.usage_error("give no word, or `forget STREAM`")
        return _forget(args, args.words[1])
    if args.export is not None and args.export.suffix.lower() not in {".npz", ".csv"}:
        args.usage_error("--export takes a name that ends with .npz or .csv")
    if args.export is not None and args.stream is None:
        args.usage_error("--export writes the samples of one stream: give --stream")
    try:
        with History.open(history_of(args)) as history:
            if args.export is not None:
                _export(args, history)
            else:
                _show(args, history)
    except RecordingError as error:
        raise DataError(str(error)) from None
    return 0


def _show(args: argparse.Namespace, history: "History") -> None:
    from monitor.commands.history_table import history_table  # noqa: PLC0415 - keeps rich out of --help

    table = history_table(history, args.model, args.stream, args.since, args.until)
    if not table.streams:
        which = "" if args.stream is None else f" of {args.stream}"
        raise DataError(f"{history.path}: nothing is kept{which} in that time")
    table.print()


def _export(args: argparse.Namespace, history: "History") -> None:
    from monitor.readers.history_recording import recording_of  # noqa: PLC0415 - keeps numpy out of --help

    models = [
        model
        for model in history.models()
        if args.model in {None, model} and any(args.stream == each.name for each in history.streams(model))
    ]
    if not models:
        raise DataError(f"{history.path}: nothing is kept of {args.stream}")
    if len(models) > 1:
        raise DataError(f"{args.stream} is kept for {' and '.join(models)}: choose with --model")
    stretches = history.stretches(models[0], args.stream, args.since, args.until)
    recording, left_out = recording_of(args.stream, stretches)
    _write(args.export, recording)
    segments = int(recording.segment[-1]) + 1
    print(
        f"{args.export}: {len(recording.samples):,} samples of {', '.join(recording.channels)} in {segments} stretches"
    )
    if left_out:
        print(
            f"residuald: {left_out:,} samples are of other channels or another rate and were left out", file=sys.stderr
        )


def _write(path: Path, recording: "Recording") -> None:
    from dataclasses import replace  # noqa: PLC0415 - with numpy, which it goes with

    from monitor.core.dataset.recording_write import (  # noqa: PLC0415 - keeps numpy out of --help
        recording_to_csv_bytes,
        recording_to_npz_bytes,
    )

    if path.suffix.lower() == ".csv":  # where it breaks its times tell
        content = recording_to_csv_bytes(replace(recording, segment=recording.segment * 0))
    else:
        content = recording_to_npz_bytes(recording)
    try:
        with open(path, "xb", opener=_private) as file:
            file.write(content)
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror}") from None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _forget(args: argparse.Namespace, stream: str) -> int:
    from monitor.adapters.storage.history_forget import forget_stream  # noqa: PLC0415 as above
    from monitor.adapters.storage.label_file import NoHistoryError  # noqa: PLC0415 as above
    from monitor.commands.trained_on import artifacts_trained_on  # noqa: PLC0415 as above
    from monitor.core.ports import StoreError  # noqa: PLC0415 as above

    try:
        done = forget_stream(history_of(args), stream)
    except NoHistoryError as error:
        raise DataError(str(error)) from None
    except StoreError as error:
        raise OutputError(str(error)) from None
    print(
        f"{stream}: {done.stretches} stretches, {done.lines} blocks of scores, {done.alerts} alerts and {done.labels} "
        "labels are deleted, and their bytes overwritten."
    )
    if done.damaged_files:
        print(f"{done.damaged_files} damaged files beside the history were deleted: what they held cannot be told.")
    for line in artifacts_trained_on(args.config or UNIT_CONFIG, stream):
        print(line)
    return 0
