"""Two installations of residuald side by side: processor time per message, in pairs that take turns.

A change that is to cost nothing is held to that by its pairs: each runs both on the same core, one right after the
other, the first of them in turns, so that a machine's moods meet both alike.
"""

import argparse
import statistics
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks.common.artifacts import FitError, artifact_folder
from benchmarks.common.broker import MissingError
from benchmarks.common.rounds import Turn
from benchmarks.common.targets import Target, add_common_options, conclude, write_json
from benchmarks.common.workloads import WORKLOADS, Workload
from benchmarks.throughput.contestants import DAEMON
from benchmarks.throughput.turns import SETTLING_SECONDS, Load, flood_turn, paced_turn, stations

OTHER = "other"
_INTERVAL = (5.0, 95.0)  # per cent
_RESAMPLES = 10_000
_BOUND = 1.03  # what the upper end of the interval may be

_EPILOG = """\
examples:
  git worktree add ../before COMMIT    # and an environment in it, with residuald installed from there
  python -m benchmarks.pairs --other ../before/.venv/bin/residuald --pairs 7

W1 and W3 are fed directly, as fast as they are taken; W4 (QoS 1, journal) flows through Mosquitto in real time.
exit codes: 0 measured, 1 void   (a missed target is a result)
"""


@dataclass(frozen=True, slots=True)
class Pair:
    """One workload once through both, in seconds of processor time per message."""

    workload: str
    ours: float
    theirs: float

    @property
    def ratio(self) -> float:
        """Ours over theirs."""
        return self.ours / self.theirs


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the pairs of one workload say. low, high: the 90 % interval of the median ratio, by bootstrap."""

    workload: str
    ratio: float
    low: float
    high: float
    ours_us: float
    theirs_us: float
    pairs: int


def compared(pairs: list[Pair]) -> Comparison:
    """Sum up the pairs of one workload."""
    ratios = np.array([pair.ratio for pair in pairs])
    draws = np.random.default_rng(0).integers(0, len(ratios), (_RESAMPLES, len(ratios)))
    low, high = np.percentile(np.median(ratios[draws], axis=1), _INTERVAL)
    ours, theirs = (statistics.median(each) * 1e6 for each in ([p.ours for p in pairs], [p.theirs for p in pairs]))
    return Comparison(pairs[0].workload, float(np.median(ratios)), float(low), float(high), ours, theirs, len(pairs))


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; its exit code."""
    args = _parser().parse_args(arguments)
    console = Console()
    workloads = [WORKLOADS[key] for key in args.workload.upper().split(",")]
    pairs: list[Pair] = []
    void: list[str] = []
    try:
        for workload in workloads:
            for part in workload.parts:
                artifact_folder(part)
        columns = SpinnerColumn(), TimeElapsedColumn(), TextColumn("{task.description}")
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task("starting", total=None)
            for number in range(args.pairs):
                for workload in workloads:
                    progress.update(task, description=f"{workload.key} {number + 1}/{args.pairs}")
                    ours, theirs = _turns(workload, number, args)
                    void += [*ours.void, *theirs.void]
                    pairs.append(Pair(workload.key, _per_message(ours), _per_message(theirs)))
    except (MissingError, FitError, RuntimeError) as error:
        console.print(f"[bold red]void:[/] {error}", highlight=False)
        return 1
    found = [compared([pair for pair in pairs if pair.workload == workload.key]) for workload in workloads]
    _show(console, found)
    targets = [
        Target.at_most(f"{each.workload}: processor time per message, ours over theirs", _BOUND, each.high, "x")
        for each in found
    ]
    if args.json:
        figures = {"pairs": [asdict(pair) for pair in pairs], "compared": [asdict(each) for each in found]}
        write_json(args.json, targets, **figures)
    return conclude(console, targets, void)


def _turns(workload: Workload, number: int, args: argparse.Namespace) -> tuple[Turn, Turn]:
    """Both through one workload, the first of them in turns."""
    paced = workload.qos > 0
    seconds = SETTLING_SECONDS + args.paced_seconds if paced else args.seconds
    load = Load(workload, seconds)
    names = (DAEMON, OTHER) if number % 2 else (OTHER, DAEMON)
    turns: dict[str, Turn] = {}
    folder = args.out / "logs" / f"{workload.key}-{number + 1}"
    for name in names:  # one at a time: who waits would take its share of the core
        loads, programs = {name: load}, {} if name == DAEMON else {OTHER: args.other.absolute()}
        with stations(loads, folder, direct=not paced, programs=programs) as ready:
            turns[name] = paced_turn(ready[name], 0.0, 1.0) if paced else flood_turn(ready[name])
    return turns[DAEMON], turns[OTHER]


def _per_message(turn: Turn) -> float:
    return turn.cpu_seconds / max(turn.messages, 1)


def _show(console: Console, found: list[Comparison]) -> None:
    table = Table("workload", "ours, us a message", "theirs", "ratio", "90 % interval", "pairs")
    for each in found:
        table.add_row(*_row(each))
    console.print(table)


def _row(each: Comparison) -> Iterator[str]:
    yield each.workload
    yield f"{each.ours_us:.2f}"
    yield f"{each.theirs_us:.2f}"
    yield f"{each.ratio:.3f}"
    yield f"{each.low:.3f} to {each.high:.3f}"
    yield str(each.pairs)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--other", type=Path, required=True, metavar="PROGRAM", help="residuald of another installation"
    )
    parser.add_argument("--pairs", type=int, default=7, metavar="N", help="how many (default: 7)")
    parser.add_argument("--workload", default="W1,W3,W4", metavar="W1,W2,…", help="which (default: W1,W3,W4)")
    parser.add_argument("--seconds", type=float, default=60.0, help="of telemetry that are sent at once (default: 60)")
    parser.add_argument("--paced-seconds", type=float, default=15.0, help="of telemetry in real time (default: 15)")
    add_common_options(parser, Path("out/pairs"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
