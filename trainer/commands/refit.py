"""`residuald-trainer refit`: the daemon's history to checked candidates, model by model."""

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from monitor.core.values.instant import written
from monitor.errors import ConfigError
from monitor.readers.history_file import UNIT_HISTORY, history_beside
from monitor.setup.config_file import load_config
from trainer.artifact.refit_key import find_refit_key
from trainer.errors import ArtifactError, SettingsError, TrainerError, WaitsForPersonError
from trainer.refit.judgement import Judgement
from trainer.refit.run import Errand, Outcome, run_errand
from trainer.report.refit_page import render_refit_report
from trainer.report.refit_plots import counts_by_reason

CONFIG = Path("/etc/residuald/monitor.toml")


def run(args: argparse.Namespace) -> int:
    """Refit each model that has a reason to be, and say what came of it."""
    notes = Console(stderr=True)
    outcomes: list[Outcome] = []
    failure: TrainerError | None = None
    for errand in _errands(args):
        with _progress(notes, errand.model) as stage:
            try:
                outcome = run_errand(errand, datetime.now(UTC), render_refit_report, stage)
            except TrainerError as error:  # one model that cannot be refitted keeps no other from it
                failure = failure or error
                notes.print(f"{escape(errand.model)}: [red]{escape(str(error))}[/]", highlight=False, soft_wrap=True)
                continue
        outcomes.append(outcome)
        if not args.json:
            _tell(outcome, errand)
    if args.json:
        sys.stdout.write(json.dumps([_as_json(outcome) for outcome in outcomes], indent=1) + "\n")
    if failure is not None:
        return failure.exit_code
    return WaitsForPersonError.exit_code if any(outcome.result == "waits" for outcome in outcomes) else 0


def _errands(args: argparse.Namespace) -> list[Errand]:
    """What the daemon's configuration asks for.

    Raises:
        SettingsError: it cannot be used.
        ArtifactError: it has no such model.

    """
    try:
        config = load_config(args.config, secrets=False)
    except ConfigError as error:
        raise SettingsError(str(args.config), list(error.problems)) from None
    models = [model for model in config.model if args.model in (None, model.name)]
    if not models:
        there = ", ".join(model.name for model in config.model)
        raise ArtifactError(f"{args.config} has no model {args.model!r}; it has {there}")
    history = args.history or (UNIT_HISTORY if config.journal.path is None else history_beside(config.journal.path))
    key = find_refit_key(args.sign_key)
    return [Errand(model.path, model.name, history, config.refit, key, args.dry_run) for model in models]


@contextmanager
def _progress(notes: Console, model: str) -> Iterator[Any]:
    """Say what is being done: in place on a terminal, nothing elsewhere."""
    with notes.status(f"{escape(model)}: looking") as status:
        yield lambda stage: status.update(f"{escape(model)}: {escape(stage)}")


def _tell(outcome: Outcome, errand: Errand) -> None:
    out = Console(soft_wrap=True, highlight=False)
    name, reasons = escape(outcome.model), escape("; ".join(outcome.reasons))
    if outcome.result == "nothing":
        out.print(f"{name}: nothing to do: {reasons}")
        return
    if outcome.version is None:
        out.print(f"{name}: [yellow]waits for a person[/]: {reasons}")
        return
    if outcome.judgement is None:
        out.print(f"{name}: {outcome.version} was proposed before, and nothing that is new asks for another: {reasons}")
    else:
        _tell_judgement(out, name, outcome.judgement)
    if outcome.result == "promotable":
        out.print("  everything holds: the daemon takes it up by itself")
    else:
        out.print("  [yellow]it waits for a person[/]")
        out.print(f"  to put it into use all the same: residuald models promote {errand.folder} {outcome.version}")
    if outcome.path is not None:
        out.print(f"  report {outcome.path.with_suffix('')}.report.html")
        if outcome.unsigned is not None:
            out.print(f"  it is not signed: {escape(outcome.unsigned)}")
            out.print(
                "  a daemon with artifacts.require_signature does not load it until `residuald-trainer sign` signed it"
            )
    elif errand.dry_run:
        out.print("  nothing was written (--dry-run)")


def _tell_judgement(out: Console, name: str, made: Judgement) -> None:
    shares, fitted = made.refitted.shares.shares, made.refitted.fitted
    left_out = ", ".join(f"{count} {reason}" for reason, count in counts_by_reason(shares).items()) or "none"
    out.print(f"{name}: {fitted.manifest.version}, from {len(shares)} streams; windows left out: {left_out}")
    for note in (*made.refitted.notes, *fitted.notes):
        out.print(f"  [yellow]note:[/] {escape(note)}")
    if made.replay is not None:
        out.print(f"  unlearnt: {len(made.replay.changed)} of {len(made.replay.alerts)} past alerts would be others")
    for check in made.verdict.checks:
        out.print(f"  {'[green]holds[/]' if check.holds else '[red]fails[/]'}  {escape(check.text)}")


def _as_json(outcome: Outcome) -> dict[str, Any]:
    found: dict[str, Any] = {
        "model": outcome.model,
        "result": outcome.result,
        "reasons": outcome.reasons,
        "version": outcome.version,
        "artifact": None if outcome.path is None else str(outcome.path),
        "unsigned": outcome.unsigned,
    }
    made = outcome.judgement
    if made is not None:
        shares = made.refitted.shares
        found |= {
            "checks": [check.model_dump(mode="json") for check in made.verdict.checks],
            "notes": [*made.refitted.notes, *made.refitted.fitted.notes],
            "threshold": made.refitted.fitted.manifest.threshold,
            "left_out": counts_by_reason(shares.shares),
            "streams": [
                {
                    "stream": share.name,
                    "taken": share.taken_windows,
                    "left_out": share.left_out,
                    "excluded": [
                        {
                            "from": written(piece.from_seconds),
                            "to": written(piece.to_seconds),
                            "reason": piece.reason,
                            "windows": piece.windows,
                        }
                        for piece in share.excluded
                    ],
                }
                for share in shares.shares
            ],
            "past_alerts": None
            if made.replay is None
            else [
                {
                    "stream": alert.stream,
                    "from": written(alert.from_seconds),
                    "to": written(alert.to_seconds),
                    "recorded": alert.recorded,
                    "before": alert.before,
                    "after": alert.after,
                }
                for alert in made.replay.alerts
            ],
        }
    return found
