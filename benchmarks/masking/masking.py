"""Does a masked channel hide the machine, or call for nothing? Each channel of simulated motors fails in its turn.

Models are fitted to short runs of a few healthy motors and judge later runs of the same motors, of which they saw
nothing. One sensor delivers nothing, so that windows are judged by the others and by the threshold of that mask. False
alarms are counted over those asked for; then another channel moves 4 times as far around its mean, and what is found of
that is counted.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.common.targets import Target, add_common_options, conclude, write_json
from benchmarks.masking.figures import BOUND, Row, rows_of
from benchmarks.masking.fleet import Fleet
from benchmarks.masking.trial import Cell, judge

_EPILOG = """\
The table has a row for each family, rule and masked channel, over all seeds and motors:

  asked, seen     false alarms: windows above the threshold (rule quantile: 1 of 100 is asked for) or alerts (rule
                  budget: 20 an hour of each motor are asked for)
  seen / asked    with the 95 % interval of a Poisson count. Windows overlap by half and a motor's load lasts for 5 to
                  20 s, so false alarms come in clumps: the interval is rather too narrow
  by seed         the least and the largest ratio of a seed: other motors, another fit, other loads
  worst motor     the largest ratio of one motor of one seed, and of how many motors the interval lies beyond 1.5
  plain           seen / asked by a threshold without caution, and how many motors lie beyond 1.5 then
  found           in how many of the other channels a fault of 4 times raised an alert
  windows         the share of windows above the threshold while a fault of 4 or 1.5 times lasts. What is lost against
                  the row where nothing is masked is what the mask costs

examples:
  python -m benchmarks.masking --quick
  python -m benchmarks.masking --json masking.json       about 20 minutes on an idle core
  python -m benchmarks.masking --families pca --seeds 0 1 2

exit codes: 0 measured, 1 void   (a missed target is a result)
"""
FAMILIES = ("pca", "dense", "conv")
SEEDS = tuple(range(10, 20))  # 0 to 4 are for trying things out
LEAST_FOUND = 0.95
_FILE_WIDTH = 160  # columns where the output is no terminal


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--families", nargs="+", default=FAMILIES, metavar="NAME", help="of models (pca dense conv)")
    parser.add_argument("--seeds", nargs="+", type=int, metavar="N", help="of motors and weights (10 to 19; quick: 10)")
    add_common_options(parser, Path("out/masking"))
    args = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else _FILE_WIDTH)
    began = time.monotonic()
    families = FAMILIES[:2] if args.quick and args.families is FAMILIES else args.families
    motors, fitted_runs, later_runs = (2, 24, 12) if args.quick else (3, 40, 30)
    cells: list[Cell] = []
    for seed in args.seeds or (SEEDS[:1] if args.quick else SEEDS):
        fleet = Fleet.simulate(seed, motors, fitted_runs, later_runs)
        for family in track(families, f"seed {seed}", console=console, transient=True):
            cells += judge(fleet, family)
    rows = list(rows_of(cells))
    show(console, rows)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "masking.md").write_text(page(rows), encoding="utf-8")
    targets = targets_of(rows)
    if args.json:
        write_json(
            args.json,
            targets,
            seconds=round(time.monotonic() - began, 1),
            rows=[asdict(row) | {"ratio": row.ratio} for row in rows],
            cells=[asdict(cell) for cell in cells],
        )
    console.print(f"table for a page: {args.out}/masking.md", highlight=False)
    return conclude(console, targets, [])


def targets_of(rows: Sequence[Row]) -> list[Target]:
    """Of each family and rule, the worst mask."""
    targets = []
    for family, rule in dict.fromkeys((row.family, row.rule) for row in rows):
        masked = [row for row in rows if (row.family, row.rule) == (family, rule) and row.masked is not None]
        name, motors = f"{family}, {rule}", sum(row.cells for row in masked)
        worst, beyond = max(row.ratio for row in masked), sum(row.beyond for row in masked)
        targets += [
            Target.at_most(f"{name}: false alarms of the worst mask", BOUND, worst, "seen / asked"),
            Target.at_most(f"{name}: motors beyond {BOUND}, by their interval", 0, beyond, f"of {motors}"),
            Target.at_least(
                f"{name}: faults found, worst mask", LEAST_FOUND, min(row.found for row in masked), "share"
            ),
        ]
    return targets


_HEADINGS = (
    "family",
    "rule",
    "masked",
    "asked",
    "seen",
    "seen / asked",
    "by seed",
    "worst motor",
    "beyond 1.5",
    "plain",
)
_FAULT_HEADINGS = ("found", "windows, x4", "windows, x1.5")


def show(console: Console, rows: Sequence[Row]) -> None:
    """The table of the terminal."""
    table = Table(*_HEADINGS, *_FAULT_HEADINGS)
    for row in rows:
        table.add_row(*_texts(row))
    console.print(table)


_PAGE_HEADINGS = (
    *(
        "model",
        "rule",
        "no mask",
        "all masks",
        "worst mask",
        "motors beyond 1.5",
        "without caution: worst mask, motors",
    ),
    *("4 x found", "windows 4 x", "windows 1.5 x"),
)


def page(rows: Sequence[Row]) -> str:
    """The table of docs/calibration.md: a line for each family and rule, Markdown."""
    lines: list[Sequence[str]] = [_PAGE_HEADINGS, ["---"] * 2 + ["---:"] * (len(_PAGE_HEADINGS) - 2)]
    for family, rule in dict.fromkeys((row.family, row.rule) for row in rows):
        own = [row for row in rows if (row.family, row.rule) == (family, rule)]
        whole, masked = (row for row in own if row.masked is None), [row for row in own if row.masked is not None]
        plain, seen, asked = next(whole), sum(row.seen for row in masked), sum(row.asked for row in masked)
        worst, cells = max(masked, key=lambda row: row.ratio), sum(row.cells for row in masked)
        lines.append(
            (
                family,
                rule,
                f"{plain.ratio:.2f}",
                f"{seen / asked:.2f}",
                f"{worst.ratio:.2f} ({worst.low:.2f} to {worst.high:.2f}), {worst.masked}",
                f"{sum(row.beyond for row in masked)} of {cells}",
                f"{max(row.plain for row in masked):.2f}, {sum(row.plain_beyond for row in masked)}",
                f"{plain.found:.0%}, {min(row.found for row in masked):.0%}",
                f"{plain.windows:.0%}, {min(row.windows for row in masked):.0%}",
                f"{plain.mild_windows:.0%}, {min(row.mild_windows for row in masked):.0%}",
            )
        )
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _texts(row: Row) -> tuple[str, ...]:
    return (
        row.family,
        row.rule,
        row.masked or "(none)",
        f"{row.asked:.0f}",
        f"{row.seen}",
        f"{row.ratio:.2f} ({row.low:.2f} to {row.high:.2f})",
        "{:.2f} to {:.2f}".format(*row.seeds),
        f"{row.worst:.2f}",
        f"{row.beyond} of {row.cells}",
        f"{row.plain:.2f}, {row.plain_beyond}",
        f"{row.found:.1%}",
        f"{row.windows:.1%}",
        f"{row.mild_windows:.1%}",
    )
