"""What every benchmark shares: its common options, its targets, the JSON it writes and the code it exits with.

A target that was missed is a result, and exits 0. A run that proved nothing (something was lost, a process died) is
void, and exits 1.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Target:
    """One figure that was aimed at."""

    name: str
    target: float
    reached: float
    unit: str
    met: bool

    @classmethod
    def at_least(cls, name: str, target: float, reached: float, unit: str) -> "Target":
        """Met from `target` upwards."""
        return cls(name, target, reached, unit, reached >= target)

    @classmethod
    def at_most(cls, name: str, target: float, reached: float, unit: str) -> "Target":
        """Met up to `target`."""
        return cls(name, target, reached, unit, reached <= target)


def add_common_options(parser: argparse.ArgumentParser, out: Path | None) -> None:
    """Add `--quick`, `--json` and `--out` (default: `out`; None: there is nothing to write)."""
    parser.add_argument("--quick", action="store_true", help="a smaller run of about a minute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures as JSON")
    if out is not None:
        parser.add_argument("--out", type=Path, default=out, metavar="DIR", help=f"where plots and files go ({out})")


def write_json(path: Path, targets: Sequence[Target], **extra: Any) -> None:
    """Write the targets, and whatever else was measured, as one JSON object."""
    document = {"targets": [asdict(target) for target in targets], **extra}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def conclude(console: Console, targets: Sequence[Target], void: Sequence[str]) -> int:
    """Show the targets and, if there are any, the reasons why the run is `void`. Returns the exit code."""
    table = Table("target", "aimed at", "reached", "unit", "met")
    for target in targets:
        met = "[green]yes[/]" if target.met else "[red]no[/]"
        table.add_row(target.name, f"{target.target:g}", f"{target.reached:.4g}", target.unit, met)
    console.print(table)
    for reason in void:
        console.print(f"[bold red]void:[/] {reason}", highlight=False)
    return 1 if void else 0
