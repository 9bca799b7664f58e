"""How well are the anomalies of public recordings found, and does the threshold keep its word?

Fits models to every row of docs/quality.md, three seeds each, scores them through their exported artifacts, and writes
that page. What is done is kept under --out, row by row: a run that was stopped goes on where it was.
"""

import argparse
import math
import sys
import time
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.accuracy.detectors import DETECTORS
from benchmarks.accuracy.live_row import run_live
from benchmarks.accuracy.plots import plot_auc, plot_budget, plot_restored
from benchmarks.accuracy.report import page, targets_of
from benchmarks.accuracy.rows import ROWS
from benchmarks.accuracy.run import Outcome, cached, keep, run, settings_of
from benchmarks.common.broker import MissingError
from benchmarks.common.live import LiveError
from benchmarks.common.targets import add_common_options, conclude, write_json
from benchmarks.datasets.converters import ConversionError
from monitor.commands.arguments import positive

_EPILOG = """\
--data is a folder with
  ecg5000_dev.npz          UCR ECG5000
  mitdb_ds1_mlii.npz       MIT-BIH arrhythmia database, set DS1, lead MLII
  svdb_tsbuad_dev.npz      MIT-BIH supraventricular arrhythmia database, as labelled by TSB-UAD
  skab_dev.npz             Skoltech anomaly benchmark, pump
  uci_fan_accel_dev.npz    UCI "Accelerometer" data set, fan motor
  uci_hydraulic_dev.npz    UCI "Condition monitoring of hydraulic systems"
  nab_dev.npz              Numenta anomaly benchmark, two series
  mnist_t10k_even.npz      MNIST, half of the test set
with the keys that benchmarks/datasets/converters.py and benchmarks/quality_rows describe.

examples:
  python -m benchmarks.quality --data ../shared/data --quick
  python -m benchmarks.quality --data ../shared/data --json quality.json
  python -m benchmarks.quality --data ../shared/data --only skab --fresh
"""
SEEDS = 3
DOCS = Path(__file__).resolve().parents[2] / "docs"


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder with the recordings")
    parser.add_argument(
        "--only", action="append", choices=[row.name for row in ROWS], metavar="ROW", help="this row (may be repeated)"
    )
    parser.add_argument(
        "--minutes", type=positive, default=math.inf, metavar="N", help="begin no new fits after N minutes; go on later"
    )
    parser.add_argument("--fresh", action="store_true", help="forget what earlier runs left")
    add_common_options(parser, Path("out/quality"))
    args = parser.parse_args()
    console = Console()
    # a quick run has no time to try models
    detectors = [each for each in DETECTORS if not (args.quick and each.select_seconds)]
    rows = [row for row in ROWS if not args.only or row.name in args.only]
    folder = args.out / "quick" if args.quick else args.out
    outcomes: dict[tuple[str, str], list[Outcome]] = {}
    void = []
    began = time.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns, console=console) as progress:
            for seed in range(1 if args.quick else SEEDS):
                for row in rows:
                    tasks = row.tasks(args.data, args.quick)
                    for detector in (each for each in detectors if seed in each.seeds and row.kind not in each.not_for):
                        path = folder / f"{row.name}-{detector.name}-{seed}.json"
                        outcome = None if args.fresh else cached(path, settings_of(row, detector, seed, tasks))
                        if outcome is None and time.monotonic() - began > 60 * args.minutes:
                            continue
                        if outcome is None:
                            title = f"{row.title}, {detector.title}, seed {seed}"
                            bar = progress.add_task(title, total=len(tasks))
                            outcome = run(row, detector, seed, tasks, partial(progress.advance, bar))
                            keep(path, outcome)
                        if not outcome.streams:
                            void.append(f"{row.title}: {detector.title} could not be fitted: {outcome.unfit}")
                        outcomes.setdefault((row.name, detector.name), []).append(outcome)
    except ConversionError as error:
        console.print(f"[bold red]void:[/] {error}", highlight=False)
        return 1
    live = None
    if any(row.name == "fan" for row in rows):
        try:
            with console.status("the fan once more, through a broker and the daemon"):
                live = run_live(args.data, folder / "live")
            void += live.void
        except (MissingError, LiveError, TimeoutError) as error:
            void.append(f"fan, live: {error}")
    # a part of the rows, or of their data, is no page
    target = DOCS if rows == list(ROWS) and not args.quick else folder
    target.mkdir(parents=True, exist_ok=True)
    plot_auc(rows, detectors, outcomes, target / "quality-auc.svg")
    plot_budget(rows, DETECTORS[0], outcomes, target / "quality-budget.svg")
    for row in rows:
        first = outcomes.get((row.name, DETECTORS[0].name), [])[:1]
        if first and first[0].pictures:
            plot_restored(first[0].pictures, target / f"quality-{row.name}.png")
    (target / "quality.md").write_text(page(rows, detectors, outcomes, live, quick=args.quick), encoding="utf-8")
    targets = targets_of(rows, DETECTORS[0], outcomes)
    if args.json:
        write_json(
            args.json,
            targets,
            void=void,
            seconds=round(time.monotonic() - began, 1),
            rows=[
                {"row": row, "detector": detector, "seed": each.seed, "figures": each.figures, "unfit": each.unfit}
                for (row, detector), several in outcomes.items()
                for each in several
            ],
        )
    console.print(f"page: {target / 'quality.md'}", highlight=False)
    return conclude(console, targets, void)


if __name__ == "__main__":
    sys.exit(main())
