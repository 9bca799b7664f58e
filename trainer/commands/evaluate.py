"""`residuald-trainer evaluate`: an artifact against data files."""

import argparse
import csv
import json
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Column, Table

from monitor.core.values.duration import in_words
from trainer.artifact.export import Artifact, load_artifact
from trainer.artifact.folder import read_artifact
from trainer.data.cutting import read_files
from trainer.errors import OutputError
from trainer.evaluation.alerts import AlertFigures, alert_figures
from trainer.evaluation.evaluation import Figures, Scored, figures, score_file
from trainer.settings import load_settings


def run(args: argparse.Namespace) -> int:
    """Score, then print figures."""
    notes = Console(stderr=True)
    artifact = load_artifact(*read_artifact(args.model))
    manifest = artifact.manifest
    reading = load_settings(args.config, {}).reading
    files = read_files(args.data, reading, 1 / manifest.sample_period_seconds)
    steps = track(files, "scoring", console=notes, transient=True, disable=not notes.is_terminal)
    scored = [score_file(artifact, file) for file in steps]
    if args.scores:
        _write_scores(args.scores, scored)

    fitted_on = {data.sha256 for data in manifest.provenance.data}
    seen = [file.name for file in files if file.sha256 in fitted_on]
    total = figures(scored, manifest.channel_names)
    alerts = alert_figures(scored, manifest.calibration)
    per_file = [(piece.cut.file.name, figures([piece], manifest.channel_names)) for piece in scored]
    if args.json:
        _print_json(artifact, total, alerts, per_file, seen)
    else:
        _print_tables(artifact, total, alerts, per_file)
    if seen:
        notes.print(f"note: the model was fitted on {', '.join(seen)}: figures there are too good", highlight=False)
    return 0


def _print_json(
    artifact: Artifact, total: Figures, alerts: AlertFigures, per_file: list[tuple[str, Figures]], seen: list[str]
) -> None:
    manifest = artifact.manifest
    document = {
        "model": manifest.model,
        "version": manifest.version,
        "family": manifest.family,
        "threshold": manifest.threshold,
        **asdict(total),
        "alerts": {**asdict(alerts), "judge": alerts.judge.model_dump()},
        "files": [{"name": name, **asdict(part)} for name, part in per_file],
        "fitted_on": seen,
    }
    print(json.dumps(document, indent=2, allow_nan=False))


def _print_tables(
    artifact: Artifact, total: Figures, alerts: AlertFigures, per_file: list[tuple[str, Figures]]
) -> None:
    console = Console()
    manifest = artifact.manifest
    console.print(
        f"[bold]{manifest.model}[/] {manifest.version} ({manifest.family}), threshold {manifest.threshold:.6g}",
        highlight=False,
    )
    overview = Table.grid(padding=(0, 2))
    for label, text in (*_lines(total), *_alert_lines(alerts)):
        overview.add_row(label, text)
    console.print(overview)
    if total.labelled is None:
        console.print("No labels in the data: only the alarm rate can be told.")

    if len(per_file) > 1:
        table = Table(Column("file", overflow="fold"), "windows", "withheld", "alarm rate", "AUC-ROC", "AUC-PR", "F1")
        for name, part in per_file:
            table.add_row(name, *_file_cells(part))
        console.print(table)
    channels = Table("channel", "leads the alarms", "AUC-ROC alone", "AUC-PR alone")
    for channel in total.channels:
        channels.add_row(channel.name, _share(channel.leads), _number(channel.auc_roc), _number(channel.auc_pr))
    console.print(channels)


def _lines(total: Figures) -> list[tuple[str, str]]:
    withheld = ", ".join(f"{count} {reason}" for reason, count in total.withheld.items())
    lines = [
        ("windows", str(total.windows)),
        ("withheld", withheld or "none"),
        ("alarms", f"{total.alarms} ({_share(total.alarm_rate)} of the windows scored)"),
    ]
    if total.labelled is not None:
        known = total.labelled
        lines += [
            ("labelled", f"{known.normal} normal, {known.anomalous} anomalous"),
            ("AUC-ROC", _number(known.auc_roc)),
            ("AUC-PR", _number(known.auc_pr)),
            ("F1", _number(known.f1)),
            ("precision", _number(known.precision)),
            ("recall", _number(known.recall)),
            ("false-alarm rate", _share(known.false_alarm_rate)),
        ]
    return lines


def _alert_lines(alerts: AlertFigures) -> list[tuple[str, str]]:
    """Alerts as a person would have got them, beside what the artifact promises."""
    judge, lines = alerts.judge, []
    if alerts.false_alarms_per_day is not None:
        rate = f"{alerts.false_alarms_per_day:.3g} per day, 95 %: {alerts.low_per_day:.3g} to {alerts.high_per_day:.3g}"
        seen = f"{alerts.false_alarms} in {in_words(alerts.normal_seconds)} of normal windows ({rate})"
        lines.append(("false alarms", f"{seen}; fires on {judge.k} of {judge.n}"))
    if alerts.asked_per_day is not None:
        lines.append(("budget", f"{alerts.asked_per_day:.3g} per day asked, {alerts.expected_per_day:.3g} expected"))
    if alerts.events:
        delay = "" if alerts.delay_seconds is None else f", {in_words(alerts.delay_seconds)} after the onset (median)"
        lines.append(("anomalies", f"{alerts.hit} of {alerts.events} raised an alert{delay}"))
    return lines


def _file_cells(part: Figures) -> list[str]:
    cells = [str(part.windows), str(sum(part.withheld.values())), _share(part.alarm_rate)]
    if part.labelled is None:
        return [*cells, "-", "-", "-"]
    return [*cells, *map(_number, (part.labelled.auc_roc, part.labelled.auc_pr, part.labelled.f1))]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2%}"


def _write_scores(path: Path, scored: list[Scored]) -> None:
    """One line per window, in time order per file; `error` and `score` are empty where the window was withheld."""
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("file", "end_seconds", "error", "score", "label", "withheld"))
            for piece in scored:
                labels = [""] * len(piece.cut) if piece.cut.labels is None else piece.cut.labels.tolist()
                columns = (piece.cut.batch.end_seconds, piece.error, piece.score, piece.withheld)
                for label, end, error, score, reason in zip(labels, *(c.tolist() for c in columns), strict=True):
                    numbers = ("", "") if reason else (repr(error), repr(score))
                    writer.writerow((piece.cut.file.name, repr(end), *numbers, label, reason))
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from None
