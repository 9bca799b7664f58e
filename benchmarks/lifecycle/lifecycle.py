"""Does the loop keep up with its machines without learning their faults? Three simulated months of 30 motors.

Motors age, the seasons change, one is repaired, two are new, four break slowly, one label is a lie. A model that never
changes and a weekly `fit` of everything play the same quarter as history, labels, refit and gate. The rules stand in
benchmarks/lifecycle/rules.md.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.common.targets import Target, add_common_options, conclude, write_json
from benchmarks.lifecycle.figures import Row, Seed, rows_of, targets_of
from benchmarks.lifecycle.nab import Watched, watch_all
from benchmarks.lifecycle.nab import targets_of as nab_targets_of
from benchmarks.lifecycle.plots import plot_false_alarms, plot_faults
from benchmarks.lifecycle.trial import play

_EPILOG = """\
--data is a folder with nab_dev.npz (keys as benchmarks/datasets/converters.py describes): two recordings of the Numenta
benchmark are watched, too.

examples:
  python -m benchmarks.lifecycle --quick
  python -m benchmarks.lifecycle --data ../shared/data --json lifecycle.json --out docs/images
  python -m benchmarks.lifecycle_page lifecycle.json       writes the table of docs/refit.md

exit codes: 0 measured, 1 void   (a missed target is a result)
"""
FIRST_SEED, SEEDS = 1000, 10  # seeds below 100 are for trying things out
_NAIVE_WEEKS, _QUICK_NAIVE_WEEKS = 1, 6
_FILE_WIDTH = 160  # columns where the output is no terminal


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, metavar="N", help=f"how many, from --first on ({SEEDS}; quick: 1)")
    parser.add_argument("--first", type=int, default=FIRST_SEED, metavar="SEED", help=f"first seed ({FIRST_SEED})")
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder with real recordings")
    add_common_options(parser, Path("out/lifecycle"))
    args = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else _FILE_WIDTH)
    began = time.monotonic()
    count = args.seeds or (1 if args.quick else SEEDS)
    naive_every_weeks = _QUICK_NAIVE_WEEKS if args.quick else _NAIVE_WEEKS
    seeds = [_play(seed, naive_every_weeks, console) for seed in range(args.first, args.first + count)]
    watched: list[Watched] = []
    if args.data:
        with console.status("watching recordings of the Numenta benchmark"), np.load(args.data / "nab_dev.npz") as file:
            watched = watch_all(dict(file))
    args.out.mkdir(parents=True, exist_ok=True)
    plot_false_alarms(seeds, args.out / "refit-false-alarms.svg")
    plot_faults(seeds, args.out / "refit-faults.svg")
    rows = rows_of(seeds)
    show(console, rows, seeds, watched)
    targets: list[Target] = [*targets_of(seeds), *(nab_targets_of(watched) if watched else ())]
    if args.json:
        write_json(
            args.json,
            targets,
            seconds=round(time.monotonic() - began, 1),
            naive_every_weeks=naive_every_weeks,
            rows=[asdict(row) | {"ratio": row.ratio} for row in rows],
            seeds=[asdict(seed) for seed in seeds],
            nab=[asdict(one) | {"interval": one.interval} for one in watched],
        )
    console.print(f"plots: {args.out}/refit-false-alarms.svg, refit-faults.svg", highlight=False)
    return conclude(console, targets, [])


def _play(seed: int, naive_every_weeks: int, console: Console) -> Seed:
    with tempfile.TemporaryDirectory() as folder, console.status(f"seed {seed}") as status:
        return play(seed, Path(folder), naive_every_weeks, lambda stage: status.update(f"seed {seed}: {stage}"))


def show(console: Console, rows: Sequence[Row], seeds: Sequence[Seed], watched: Sequence[Watched]) -> None:
    """The tables of the terminal."""
    table = Table(
        *("arm", "false alarms", "asked", "seen / asked", "by seed", "streams beyond chance", "firing without cause"),
        *("caught", "learnt", "delay in days: 10 %, 50 %, 90 %"),
    )
    for row in rows:
        table.add_row(
            row.arm,
            f"{row.false_alarms}",
            f"{row.asked:.0f}",
            f"{row.ratio:.2f}",
            "{:.2f} to {:.2f}".format(*row.ratios),
            f"{row.beyond} of {row.streams}",
            f"{row.firing:.2%}",
            f"{row.caught} of {row.faults}",
            f"{row.learnt} ({', '.join(row.learnt_kinds) or 'none'})",
            "{:.1f}, {:.1f}, {:.1f}".format(*row.delays_days),
        )
    console.print(table)
    table = Table(
        "seed", "seconds", "refits promoted", "waited", "nothing", "accepted", "of them faults", "labels", "factors"
    )
    for seed in seeds:
        came_to = [refit.came_to for refit in seed.refits]
        table.add_row(
            f"{seed.seed}",
            f"{seed.seconds:.0f}",
            *(f"{came_to.count(what)}" for what in ("promoted", "waits", "nothing")),
            f"{sum(seed.accepted.values())}",
            f"{seed.faults_accepted}",
            ", ".join(f"{count} {kind}" for kind, count in seed.labels.items()),
            ", ".join(f"{arm} {factor:.2f}" for arm, factor in seed.factors.items()),
        )
    console.print(table)
    if watched:
        table = Table("NAB", "days", "windows hit", "events outside", "95 %", "firing", "refits")
        for one in watched:
            table.add_row(
                one.name,
                f"{one.days:.0f}",
                f"{one.hit} of {one.windows}",
                f"{one.events}",
                "{:.1f} to {:.1f}".format(*one.interval),
                f"{one.firing:.2%}",
                "\n".join(one.refits),
            )
        console.print(table)
