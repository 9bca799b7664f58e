"""`residuald-trainer fit`: data files to a published artifact."""

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from monitor.core.artifact.model_folder_names import CURRENT
from trainer.artifact.folder import model_name, publish
from trainer.artifact.signing import read_key
from trainer.data.corpus import Corpus
from trainer.data.cutting import DataFile, read_files
from trainer.data.gathering import gather
from trainer.data.published_alerts import Alerted, read_alerts, require_recordings
from trainer.fitting.fit import fit
from trainer.refit.anchor import anchor_first_fit
from trainer.report.page import render_report, summary
from trainer.settings import FitSettings, load_settings
from trainer.settings.presets import preset

_OPTIONS = {
    "family": "model.family",
    "window": "window.length",
    "stride": "window.stride",
    "sample_rate": "window.sample_rate_hz",
    "representation": "representation.kind",
    "normalization": "normalization.kind",
    "seed": "seed",
    "onnx": "export.onnx",
}


def run(args: argparse.Namespace) -> int:
    """Fit, publish, and say where the results are."""
    notes = Console(stderr=True)
    settings = load_settings(args.config, overrides(args), preset_of(args))
    key = None if args.sign_key is None else read_key(args.sign_key)
    name = model_name(args.out)
    with notes.status("reading and cutting the data"):
        files = read_files(args.data, settings.reading, settings.window.sample_rate_hz)
        alerts = [] if args.alerts is None else read_alerts(args.alerts)
        require_recordings(alerts, files)
        corpus = gather(files, settings, alerts)
    fit_and_publish(corpus, files, alerts, settings, args.out, name, key, notes)
    return 0


def fit_and_publish(
    corpus: Corpus,
    files: Sequence[DataFile],
    alerts: Sequence[Alerted],
    settings: FitSettings,
    folder: Path,
    name: str,
    key: Ed25519PrivateKey | None,
    notes: Console,
    choice: str = "",
) -> None:
    """Fit with a progress bar, publish, and print a summary; the first model of a folder becomes its anchor.

    files, alerts: what `corpus` was gathered from. choice: HTML for the report, why these settings.

    Raises:
        TrainerError: the fit failed, or the results cannot be written.

    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[train]:.4g}, validation {task.fields[validation]:.4g}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=notes) as progress:
        nan = float("nan")
        bar = progress.add_task("training", total=settings.training.max_epochs, train=nan, validation=nan)

        def on_epoch(done: int, train: float, validation: float) -> None:
            progress.update(bar, completed=done, train=train, validation=validation)

        fitted = fit(corpus, settings, name, datetime.now(UTC), on_epoch)
        epochs = len(fitted.history.train_loss)
        progress.update(bar, total=epochs, description="trained")
    with notes.status("drawing the report"):
        report = render_report(corpus, fitted, choice)
    anchor_first_fit(folder, fitted.manifest, files, settings, alerts)
    path = publish(folder, fitted.manifest.version, fitted.artifact, report, fitted.onnx, key)

    for note in fitted.notes:
        notes.print(f"[yellow]note:[/] {note}", highlight=False)
    out, table = Console(), Table.grid(padding=(0, 2))
    for label, text in summary(fitted.manifest):
        table.add_row(label, text)
    out.print(table)
    out.print(f"artifact  {path}\nreport    {path.with_suffix('')}.report.html", soft_wrap=True, highlight=False)
    if path.parent == folder:
        out.print(f"in use    {folder / CURRENT}", soft_wrap=True, highlight=False)
    else:
        command = f"residuald models promote {folder} {fitted.manifest.version}"
        out.print(f"waits     put it into use with `{command}`", soft_wrap=True, highlight=False)


def preset_of(args: argparse.Namespace) -> dict[str, Any]:
    """What follows from the kind of data, as dotted paths."""
    return {} if args.kind is None else preset(args.kind, len(args.data))


def overrides(args: argparse.Namespace) -> dict[str, Any]:
    """What the command line sets, as dotted paths."""
    given = vars(args)
    return {path: given[option] for option, path in _OPTIONS.items() if given.get(option) is not None}
