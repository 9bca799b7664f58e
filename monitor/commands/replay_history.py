"""The streams of a history, as `residuald replay` walks through them."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from monitor.commands.history_table import length, share_covered
from monitor.core.dataset.recording import Recording, RecordingError
from monitor.errors import DataError
from monitor.readers.history import History
from monitor.readers.history_recording import recording_of


class Remembered(NamedTuple):
    """A stream of a history: its recording, and what share of its time that covers."""

    recording: Recording
    share: float
    told: str


def remembered_streams(path: Path, model: str, args: argparse.Namespace) -> Iterator[Remembered]:
    """The streams that a history has of a model, or the one that was asked for.

    Raises:
        DataError: it cannot be read, or has nothing of what was asked for.

    """
    try:
        with History.open(path) as history:
            models = history.models()
            name = args.as_model or model
            if name not in models:
                raise DataError(
                    f"{path}: it has nothing of model {name}; it has {', '.join(models) or 'nothing'} "
                    "(--as-model names the one to walk through)"
                )
            found = [
                each
                for each in history.streams(name, args.since, args.until)
                if args.stream in {None, each.name} and each.stretches
            ]
            if not found:
                raise DataError(f"{path}: no samples are kept of what was asked for")
            for summary in found:
                recording, _ = recording_of(summary.name, history.stretches(name, summary.name, args.since, args.until))
                share = share_covered(summary)
                span = summary.last_seconds - summary.first_seconds
                yield Remembered(
                    recording,
                    share,
                    f"stream {summary.name}: samples cover {length(summary.seconds)} of {length(span)} ({share:.1%}); "
                    "what happened in between is not judged",
                )
    except RecordingError as error:
        raise DataError(str(error)) from None
