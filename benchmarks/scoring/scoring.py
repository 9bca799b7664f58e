"""How many windows a second one core scores: our scorers beside the bare models, at batch sizes from 1 to 1024."""

import argparse
import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import matplotlib as mpl
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.common.artifacts import FitError, artifact_folder
from benchmarks.common.rounds import Spread
from benchmarks.common.targets import Target, add_common_options, conclude, write_json
from benchmarks.common.workloads import W1, W2, Telemetry
from benchmarks.scoring.scorers import (
    EAGER,
    FORWARD,
    RESIDUALD,
    RESIDUALD_ONNX,
    SESSION,
    Call,
    Loaded,
    cuda_device,
    load,
)

_DESCRIPTION = """\
Measure windows per second of one model in one process, with one thread, on one core:

  residuald            the daemon's scorer: arrays in, arrays out, a frozen TorchScript module between them
  residuald, ONNX      the same with ONNX Runtime (scoring.engine = "onnx")
  frozen TorchScript   the module alone, its tensors made beforehand
  ONNX Runtime         the session alone
  eager torch          the Python module that the artifact was made from

The batch size that residuald measured for itself when it loaded the artifact is marked. Everybody has a turn in each
round; figures are medians over the rounds, with the values they lie between. Contestants that do not compute the same
errors make the run void. Where there is a CUDA device, residuald (pinned memory, copies included) and the module alone
run there, too.
"""
_EPILOG = """\
examples:
  python -m benchmarks.scoring                        both models, about three minutes on an idle core
  python -m benchmarks.scoring --quick --json s.json

exit codes: 0 measured, 1 void   (a missed target is a result)
"""
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
MODELS: dict[str, tuple[str, Telemetry]] = {
    "dense": ("dense 140-64-32-8 and back", W1.parts[0]),
    "conv": ("convolutional 16/32/32, stride 2, 3 x 256", W2.parts[0]),
}
_CPU = (RESIDUALD, RESIDUALD_ONNX, FORWARD, SESSION, EAGER)
_AGREE = 1e-3  # relative to the larger of error and median error, as golden windows are held to
_WARM_UP_CALLS = 3
_LOG_COLUMNS = 130  # where no terminal says how wide it is

Rates = dict[str, dict[int, Spread]]  # windows per second by contestant and batch size


@dataclass(frozen=True, slots=True)
class Measured:
    """One model's figures. void: what makes them worthless, if anything."""

    title: str
    rates: Rates
    chosen: dict[str, int]
    void: list[str]

    def best(self, contestant: str) -> float:
        """Windows per second at a contestant's best batch size."""
        return max(spread.median for spread in self.rates[contestant].values())

    def at(self, contestant: str, size: int) -> float:
        """Windows per second at a batch size."""
        return self.rates[contestant][size].median


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; its exit code."""
    args = _parser().parse_args(arguments)
    console = Console()
    if not console.is_terminal:
        console.width = _LOG_COLUMNS
    rounds, seconds = (2, 0.03) if args.quick else (7, 0.2)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    device = cuda_device()
    console.print(f"CUDA: {device}" if device else "CUDA: no GPU here, so nothing is said about one", highlight=False)
    try:
        with console.status("fitting the models that are not there yet"):
            folders = {key: artifact_folder(telemetry, onnx=True) for key, (_, telemetry) in MODELS.items()}
    except FitError as error:
        console.print(f"[bold red]void:[/] {error}", highlight=False)
        return 1
    measured = {}
    for key, (title, _) in MODELS.items():
        measured[key] = _measure(title, load(folders[key]), rounds, seconds, console)
        console.print(_table(measured[key]))
    args.out.mkdir(parents=True, exist_ok=True)
    plot(measured, args.out / "scoring.png")
    console.print(f"plot: {args.out / 'scoring.png'}")
    targets = targets_of(measured)
    void = [reason for figures in measured.values() for reason in figures.void]
    if args.json:
        write_json(
            args.json,
            targets,
            void=void,
            quick=args.quick,
            rounds=rounds,
            cuda=device,
            machine={
                "processor": platform.processor() or platform.machine(),
                "python": platform.python_version(),
                "packages": {name: version(name) for name in ("torch", "onnxruntime", "numpy", "residuald")},
            },
            models={key: asdict(figures) for key, figures in measured.items()},
        )
    return conclude(console, targets, void)


def _measure(title: str, loaded: Loaded, rounds: int, seconds: float, console: Console) -> Measured:
    calls = {
        (name, size): prepare(loaded.batch(size)) for name, prepare in loaded.contestants.items() for size in BATCHES
    }
    void = list(_disagreements(title, calls))
    found: dict[tuple[str, int], list[float]] = {key: [] for key in calls}
    turns = [
        (number, size, name)
        for number in range(rounds)
        for size in BATCHES
        for name in np.roll(list(loaded.contestants), number).tolist()
    ]
    for _, size, name in track(turns, title, console=console, transient=True):
        found[name, size].append(size / _call_seconds(calls[name, size], seconds))
    rates: Rates = {name: {size: Spread.of(found[name, size]) for size in BATCHES} for name in loaded.contestants}
    return Measured(title, rates, loaded.chosen, void)


def _disagreements(title: str, calls: dict[tuple[str, int], Call]) -> Iterator[str]:
    for (name, size), call in calls.items():
        wanted, found = calls[FORWARD, size](), call()
        off = float(np.max(np.abs(found - wanted) / np.maximum(wanted, np.median(wanted))))
        if not off <= _AGREE:
            yield f"{title}: {name} differs from {FORWARD} by {off:.2g} at batch {size}"


def _call_seconds(call: Call, seconds: float, clock: Callable[[], float] = time.perf_counter) -> float:
    """Mean time of a call over about so many seconds."""
    for _ in range(_WARM_UP_CALLS):
        call()
    count, began = 0, clock()
    while (taken := clock() - began) < seconds:
        call()
        count += 1
    return taken / count


def targets_of(measured: dict[str, Measured]) -> list[Target]:
    """What was aimed at, by model."""
    targets = []
    for key, figures in measured.items():
        reached = figures.best(RESIDUALD) / figures.best(FORWARD)
        targets.append(Target.at_least(f"{key}: residuald at its best batch", 0.9, reached, "x bare forward"))
        for name in (RESIDUALD, RESIDUALD_ONNX):
            reached = figures.at(name, figures.chosen[name]) / figures.best(name)
            targets.append(Target.at_least(f"{key}: {name} at the batch it chose", 0.9, reached, "x its best"))
    dense = measured["dense"]
    for size, aim in ((1, 2.0), (256, 1.5)):
        reached = dense.at(RESIDUALD_ONNX, size) / dense.at(RESIDUALD, size)
        targets.append(Target.at_least(f"dense: ONNX Runtime at batch {size}", aim, reached, "x TorchScript"))
    return targets


def _table(figures: Measured) -> Table:
    table = Table("batch", *figures.rates, title=f"{figures.title}: thousand windows/s (* chosen at load)")
    for column in table.columns:
        column.justify = "right"
    for size in BATCHES:
        cells = [
            _cell(spreads[size], chosen=figures.chosen.get(name) == size) for name, spreads in figures.rates.items()
        ]
        table.add_row(str(size), *cells)
    return table


def _cell(spread: Spread, *, chosen: bool) -> str:
    low, middle, high = (f"{value / 1e3:,.1f}" for value in (spread.low, spread.median, spread.high))
    return f"{'*' if chosen else ''}{middle} ({low}-{high})"


def plot(measured: dict[str, Measured], path: Path) -> None:
    """Draw windows per second over the batch size, a panel for each model (PNG)."""
    mpl.use("agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - the backend is chosen first

    figure, panels = plt.subplots(1, len(measured), figsize=(11, 4.2), layout="constrained", squeeze=False)
    for axes, figures in zip(panels[0], measured.values(), strict=True):
        for name, spreads in figures.rates.items():
            values = np.array([[spread.low, spread.median, spread.high] for spread in spreads.values()]) / 1e3
            (line,) = axes.plot(BATCHES, values[:, 1], "-" if name in _CPU else "--", label=name)
            axes.fill_between(BATCHES, values[:, 0], values[:, 2], color=line.get_color(), alpha=0.15, linewidth=0)
            if name in figures.chosen:
                size = figures.chosen[name]
                axes.plot(size, figures.at(name, size) / 1e3, "o", color=line.get_color())
        axes.set(xscale="log", yscale="log", xlabel="windows per call (dot: chosen at load)", title=figures.title)
        axes.set_ylabel("thousand windows/s")
        axes.set_xticks(BATCHES, [str(size) for size in BATCHES])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    panels[0][0].legend(frameon=False)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=_DESCRIPTION, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_common_options(parser, Path("out/scoring"))
    return parser
