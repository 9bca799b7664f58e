"""`residuald-trainer select`: try models under a time budget, choose one without labels, and fit it."""

import argparse
import math
from copy import deepcopy
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from trainer.artifact.folder import model_name
from trainer.artifact.signing import read_key
from trainer.commands.fit import fit_and_publish, overrides, preset_of
from trainer.data.cutting import read_files
from trainer.data.gathering import gather
from trainer.report.selection import cells, choice_section
from trainer.selection.candidates import Candidate, candidates_for
from trainer.selection.selection import Choice, select
from trainer.settings import FitSettings, load_settings


def run(args: argparse.Namespace) -> int:
    """Select, fit, publish."""
    notes = Console(stderr=True)
    given = overrides(args)

    def settings_of(own: dict[str, Any]) -> FitSettings:
        return load_settings(args.config, {**given, **deepcopy(own)}, preset_of(args))  # it writes into what it gets

    settings = settings_of({})
    candidates = candidates_for(settings.window.cut)
    key = None if args.sign_key is None else read_key(args.sign_key)
    name = model_name(args.out)
    with notes.status("reading the data"):
        files = read_files(args.data, settings.reading, settings.window.sample_rate_hz)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("models, {task.fields[state]}"),
        TimeElapsedColumn(),
        TextColumn(f"of {args.budget_minutes:g} minutes at most"),
    )
    with Progress(*columns, console=notes) as progress:
        bar = progress.add_task("trying", total=len(candidates), state="")

        def on_step(candidate: Candidate, epochs: int, validation: float) -> None:
            loss = "" if math.isnan(validation) else f", epoch {epochs}, validation {validation:.4g}"
            progress.update(bar, completed=candidates.index(candidate), state=f"{candidate.name}{loss}")

        choice = select(files, settings_of, candidates, 60 * args.budget_minutes, on_step)
        progress.update(bar, completed=len(candidates), description="tried", state="done")
    _show(choice)
    chosen = settings_of(choice.chosen.candidate.settings)
    fit_and_publish(gather(files, chosen), files, (), chosen, args.out, name, key, notes, choice_section(choice))
    return 0


def _show(choice: Choice) -> None:
    out = Console()
    table = Table("", "model", "AUC", "drift", "parameters", "seconds")
    for trial in choice.trials:
        line = cells(trial, choice)
        table.add_row(*line[:3], *line[-3:])
    out.print(table)
    out.print(choice.reason, highlight=False)
