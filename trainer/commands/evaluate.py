"""`residuald-trainer evaluate`: an artifact against data files."""

import argparse
import csv
import json
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from trainer.artifact import read_artifact
from trainer.data import read_files
from trainer.errors import OutputError
from trainer.evaluation import Figures, Scored, figures, score_file
from trainer.export import Artifact, load_artifact


def run(args: argparse.Namespace) -> int:
    """Score, then print figures."""
    notes = Console(stderr=True)
    artifact = load_artifact(*read_artifact(args.model))
    manifest = artifact.manifest
    files = read_files(args.data)
    scored = [score_file(artifact, file) for file in track(files, "scoring", console=notes, transient=True)]
    if args.scores:
        _write_scores(args.scores, scored, manifest.threshold)

    fitted_on = {data.sha256 for data in manifest.provenance.data}
    seen = [file.name for file in files if file.sha256 in fitted_on]
    total = figures(scored, manifest.threshold, manifest.channel_names)
    per_file = [(piece.cut.file.name, figures([piece], manifest.threshold, manifest.channel_names)) for piece in scored]
    if args.json:
        _print_json(artifact, total, per_file, seen)
    else:
        _print_tables(artifact, total, per_file)
    if seen:
        notes.print(f"note: the model was fitted on {', '.join(seen)}: figures there are too good", highlight=False)
    return 0


def _print_json(artifact: Artifact, total: Figures, per_file: list[tuple[str, Figures]], seen: list[str]) -> None:
    manifest = artifact.manifest
    document = {
        "model": manifest.model,
        "version": manifest.version,
        "family": manifest.family,
        "threshold": manifest.threshold,
        **asdict(total),
        "files": [{"name": name, **asdict(part)} for name, part in per_file],
        "fitted_on": seen,
    }
    print(json.dumps(document, indent=2, allow_nan=False))


def _print_tables(artifact: Artifact, total: Figures, per_file: list[tuple[str, Figures]]) -> None:
    console = Console()
    manifest = artifact.manifest
    console.print(
        f"[bold]{manifest.model}[/] {manifest.version} ({manifest.family}), threshold {manifest.threshold:.6g}",
        highlight=False,
    )
    columns = ("", "windows", "withheld", "alarm rate")
    if total.labelled is None:
        table = Table(*columns)
    else:
        table = Table(*columns, "anomalous", "AUC-ROC", "AUC-PR", "F1", "precision", "recall", "false-alarm rate")
    for name, part in [*(per_file if len(per_file) > 1 else []), ("all", total)]:
        table.add_row(name, *_cells(part, labelled=total.labelled is not None))
    console.print(table)
    if total.withheld:
        console.print("withheld: " + ", ".join(f"{count} {reason}" for reason, count in total.withheld.items()))
    if total.labelled is None:
        console.print("No labels in the data: only the alarm rate can be told.")

    channels = Table("channel", "leads the alarms", "AUC-ROC alone", "AUC-PR alone")
    for channel in total.channels:
        channels.add_row(channel.name, _share(channel.leads), _number(channel.auc_roc), _number(channel.auc_pr))
    console.print(channels)


def _cells(part: Figures, *, labelled: bool) -> list[str]:
    cells = [str(part.windows), str(sum(part.withheld.values())), _share(part.alarm_rate)]
    if labelled:
        known = part.labelled
        if known is None:
            return [*cells, *["-"] * 7]
        cells += [str(known.anomalous), _number(known.auc_roc), _number(known.auc_pr), _number(known.f1)]
        cells += [_number(known.precision), _number(known.recall), _share(known.false_alarm_rate)]
    return cells


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2%}"


def _write_scores(path: Path, scored: list[Scored], threshold: float) -> None:
    """One line per window, in time order per file; `error` and `score` are empty where the window was withheld."""
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("file", "end_seconds", "error", "score", "label", "withheld"))
            for piece in scored:
                labels = [""] * len(piece.cut) if piece.cut.labels is None else piece.cut.labels.tolist()
                for end, error, label, reason in zip(
                    piece.cut.batch.end_seconds.tolist(),
                    piece.error.tolist(),
                    labels,
                    piece.withheld.tolist(),
                    strict=True,
                ):
                    numbers = ("", "") if reason else (repr(error), repr(error / threshold))
                    writer.writerow((piece.cut.file.name, repr(end), *numbers, label, reason))
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from None
