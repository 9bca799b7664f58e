"""Does a threshold keep its false-alarm budget? Alarms asked for against alarms seen.

On simulated fleets, whose errors follow known laws (light and heavy tails, autocorrelation, switching regimes, with and
without mislabelled windows among the normal ones), and, with --data, on real recordings of normal operation.
"""

import argparse
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.budget.error_laws import LAWS
from benchmarks.budget.recorded import Kept, keep, load_recordings
from benchmarks.budget.simulated import EXTRAPOLATIONS, Fleet, simulate
from benchmarks.common.targets import Target, add_common_options, conclude, write_json
from benchmarks.datasets.converters import ConversionError

_EPILOG = """\
--data is a folder with skab_anomaly_free.npz, mitdb_ds1_mlii.npz, uci_fan_accel_dev.npz, nab_dev.npz, ecg5000_dev.npz
and uci_hydraulic_dev.npz, with the keys that benchmarks/datasets/converters.py describes. Models are fitted and
calibrated on the first 60 % of each recording; false alarms are counted on the rest.

examples:
  python -m benchmarks.budget --quick
  python -m benchmarks.budget --data ../shared/data --json budget.json
"""
_FILE_WIDTH = 160  # columns where the output is no terminal
FACTOR = 2.0  # what is aimed at: between half and twice the rate asked for


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder with real recordings")
    add_common_options(parser, Path("out/budget"))
    args = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else _FILE_WIDTH)
    began = time.monotonic()
    streams, seeds = (8, 1) if args.quick else (20, 3)
    cases = [(law, beyond, odd) for odd in (False, True) for law in LAWS for beyond in EXTRAPOLATIONS]
    fleets = [simulate(*case, streams, seeds) for case in track(cases, "simulating", console=console, transient=True)]
    try:
        kept = recorded(args.data, args.quick, console) if args.data else []
    except ConversionError as error:
        console.print(f"[bold red]void:[/] {error}", highlight=False)
        return 1
    show(console, fleets, kept)
    args.out.mkdir(parents=True, exist_ok=True)
    picture(fleets, kept).savefig(args.out / "budget.png")
    targets = targets_of(fleets, kept)
    void = [f"{one.title}, {one.family}: no normal data were judged" for one in kept if not one.hours]
    if args.json:
        write_json(
            args.json,
            targets,
            void=void,
            seconds=round(time.monotonic() - began, 1),
            fleets=[asdict(fleet) for fleet in fleets],
            recordings=[asdict(one) | {"ratio": one.ratio, "interval": one.interval} for one in kept],
        )
    console.print(f"plot: {args.out}/budget.png", highlight=False)
    return conclude(console, targets, void)


def recorded(folder: Path, quick: bool, console: Console) -> list[Kept]:
    """All data sets, by PCA and by the default autoencoder.

    Raises:
        ConversionError: a data set is missing.

    """
    sets = list(load_recordings(folder, quick))
    models = [("pca", (0,)), ("dense", (0,) if quick else (0, 1, 2))]
    runs = [(one, family, seeds) for one in sets for family, seeds in models]
    return [keep(*run) for run in track(runs, "fitting and judging", console=console, transient=True)]


def targets_of(fleets: list[Fleet], kept: list[Kept]) -> list[Target]:
    """Seen over asked, on average: not above twice anywhere, and not below half where nothing is mislabelled."""
    targets = []
    for fleet in fleets:
        name = f"{fleet.law}, one alarm in {fleet.extrapolation:g} times the data"
        mean = float(np.mean(fleet.ratio))
        if fleet.mislabelled:
            targets.append(Target.at_most(f"{name}, mislabelled windows", FACTOR, mean, "seen / asked"))
        else:
            targets.append(Target.at_most(name, FACTOR, mean, "seen / asked"))
            targets.append(Target.at_least(name, 1 / FACTOR, mean, "seen / asked"))
    for one in kept:
        targets.append(Target.at_most(f"{one.title}, {one.family}", FACTOR, one.ratio, "seen / asked"))
        targets.append(Target.at_least(f"{one.title}, {one.family}", 1 / FACTOR, one.ratio, "seen / asked"))
    return targets


def show(console: Console, fleets: list[Fleet], kept: list[Kept]) -> None:
    """Both tables."""
    table = Table("errors", "one alarm in", "seen / asked", "by seed", "10 % .. 50 % .. 90 % of streams", "in interval")
    for fleet in fleets:
        table.add_row(
            f"{fleet.law}{', mislabelled' if fleet.mislabelled else ''}",
            f"{fleet.extrapolation:g} x data",
            f"{np.mean(fleet.ratio):.2f}",
            ", ".join(f"{ratio:.2f}" for ratio in fleet.ratio),
            " .. ".join(f"{ratio:.2f}" for ratio in fleet.spread),
            f"{fleet.inside:.0%}",
        )
    console.print(table)
    if not kept:
        return
    table = Table("recordings", "family", "hours", "asked", "expected", "seen, by seed", "seen / asked", "95 %")
    for one in kept:
        table.add_row(
            one.title,
            one.family,
            f"{one.hours:.3g}",
            f"{np.mean(one.asked):.1f}",
            f"{np.mean(one.expected):.1f}",
            ", ".join(map(str, one.seen)),
            f"{one.ratio:.2f}",
            "{:.2f} .. {:.2f}".format(*one.interval),
        )
    console.print(table)


def picture(fleets: list[Fleet], kept: list[Kept]) -> Figure:
    """Seen over asked, one line each; inside the band is what was aimed at."""
    lines: list[tuple[str, float, float, float]] = [
        (
            f"{fleet.law}{', mislabelled' if fleet.mislabelled else ''}, {fleet.extrapolation:g} x",
            float(np.mean(fleet.ratio)),
            min(fleet.ratio),
            max(fleet.ratio),
        )
        for fleet in fleets
    ]
    lines += [(f"{one.title}, {one.family}", one.ratio, *one.interval) for one in kept]
    figure = Figure(figsize=(8, 0.24 * len(lines) + 1), layout="constrained")
    axes = figure.subplots()
    height = np.arange(len(lines))[::-1]
    floor = 0.02  # what was never seen has no place on a logarithmic axis
    axes.axvspan(1 / FACTOR, FACTOR, color="#009E73", alpha=0.15)
    axes.axvline(1.0, color="#000000", linewidth=0.8)
    low, high = ([max(line[column], floor) for line in lines] for column in (2, 3))
    axes.hlines(height, low, high, color="#0072B2", linewidth=1)
    axes.plot([max(line[1], floor) for line in lines], height, "o", color="#0072B2", markersize=4)
    axes.set_yticks(height, [line[0] for line in lines], fontsize=8)
    axes.set(xscale="log", xlabel="false alarms seen / asked for (line: seeds, or 95 % interval of the count)")
    return figure
