"""What a fit of a thousand windows costs beside the start of torch, which no fit can do without."""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.common.rounds import Spread
from benchmarks.common.targets import Target, add_common_options, conclude, write_json

_DESCRIPTION = """\
Measure the processor time of `residuald-trainer fit` on a thousand windows of 140 samples and two channels, and that
of importing torch, one after the other on one thread. The figure is the ratio of the two, round by round, so that a
slow machine meets both.
"""
_EPILOG = """\
examples:
  python -m benchmarks.fitting                        every family that trains, three rounds, about two minutes
  python -m benchmarks.fitting --quick --json f.json  one round of a linear model on a hundred windows

exit codes: 0 measured, 1 void   (a missed target is a result)
"""
_WINDOW, _STRIDE, _RATE_HZ = 140, 70, 50.0
_MOST_STARTS = 20.0


@dataclass(frozen=True, slots=True)
class Cost:
    """Processor seconds of one fit, and of importing torch just after it."""

    fit_seconds: float
    start_seconds: float

    @property
    def starts(self) -> float:
        """How many starts of torch the fit costs."""
        return self.fit_seconds / self.start_seconds


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and show it."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fitting",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_common_options(parser, None)
    args = parser.parse_args(arguments)
    families, windows, rounds = (("pca",), 100, 1) if args.quick else (("pca", "dense", "conv"), 1000, 3)
    console = Console()
    costs: dict[str, list[Cost]] = {family: [] for family in families}
    turns = [family for _ in range(rounds) for family in families]
    void = []
    with tempfile.TemporaryDirectory(prefix="residuald-fitting-") as folder:
        for number, family in enumerate(track(turns, "fitting", console=console, transient=True)):
            try:
                costs[family].append(measure(family, windows, Path(folder, str(number))))
            except RuntimeError as error:
                void.append(str(error))
    spreads = {family: Spread.of([cost.starts for cost in found]) for family, found in costs.items() if found}
    table = Table("family", "fit (s)", "import torch (s)", "ratio", title=f"fit of {windows} windows, processor time")
    for family, spread in spreads.items():
        fit, start = (np.median([getattr(c, name) for c in costs[family]]) for name in ("fit_seconds", "start_seconds"))
        table.add_row(family, f"{fit:.1f}", f"{start:.2f}", f"{spread.median:.1f} ({spread.low:.1f}-{spread.high:.1f})")
    console.print(table)
    targets = [
        Target.at_most(f"{family}: fit of {windows} windows", _MOST_STARTS, spread.median, "starts of torch")
        for family, spread in spreads.items()
    ]
    if args.json:
        found = {family: [asdict(cost) for cost in each] for family, each in costs.items()}
        write_json(args.json, targets, void=void, quick=args.quick, windows=windows, costs=found)
    return conclude(console, targets, void)


def measure(family: str, windows: int, folder: Path) -> Cost:
    """Fit one model in `folder`, which is made, and import torch once.

    Raises:
        RuntimeError: the trainer failed, or used another number of windows.

    """
    folder.mkdir()
    count = _WINDOW + (windows - 1) * _STRIDE
    np.savez(folder / "data.npz", samples=_signal(count), channels=["a", "b"], sample_rate_hz=_RATE_HZ)
    trainer = Path(sys.executable).with_name("residuald-trainer")
    sizes = ["--window", str(_WINDOW), "--stride", str(_STRIDE), "--family", family]
    fit: list[str | Path] = [trainer, "fit", "--data", folder / "data.npz", "--out", folder / "model", *sizes]
    fit_seconds = _processor_seconds(fit)
    start_seconds = _processor_seconds([sys.executable, "-c", "import torch"])
    told = subprocess.run([trainer, "inspect", folder / "model", "--json"], capture_output=True, check=True).stdout
    (used,) = json.loads(told)["manifest"]["provenance"]["data"]
    if used["windows"] != windows:
        raise RuntimeError(f"{family}: {used['windows']} windows instead of {windows}")
    return Cost(fit_seconds, start_seconds)


def _signal(count: int) -> np.ndarray:
    """Two related sines with noise: float32 [count, 2]."""
    rng = np.random.default_rng(1)
    at = np.arange(count) / _RATE_HZ
    phase = 2 * np.pi * (at * 1.3 + 0.1 * np.sin(0.4 * at))
    return (np.stack([np.sin(phase), np.cos(phase)], axis=1) + rng.normal(0, 0.05, (count, 2))).astype(np.float32)


def _processor_seconds(command: Sequence[str | Path]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(f"{Path(command[0]).name} failed: {done.stderr.strip()}")
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
