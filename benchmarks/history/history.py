"""What the history costs: processor time per message with it and without, in pairs that take turns, and of its thread.

Each pair runs the same daemon on the same core twice, one right after the other, the first of them in turns, so that a
machine's moods meet both alike. The thread of the history counts its own processor time; what it costs the engine to
hand windows over, and the memory that windows keep while they wait, shows in the pairs alone.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks.common.artifacts import FitError, artifact_folder
from benchmarks.common.broker import MissingError
from benchmarks.common.rounds import Turn
from benchmarks.common.targets import Target, add_common_options, conclude, write_json
from benchmarks.common.workloads import WORKLOADS, Workload
from benchmarks.throughput.contestants import Daemon, scrape
from benchmarks.throughput.pairs import Comparison, Pair, compared
from benchmarks.throughput.turns import SETTLING_SECONDS, Load, flood_turn, paced_turn, stations

WITH, WITHOUT = "with", "without"
_OFF = "[history]\nenabled = false\n"
_MOST_SHARE = 0.02  # of the daemon's processor time
_MOST_RATIO = 1.03
_THREAD = "residuald_history_processor_seconds_total"
_PROCESS = "process_cpu_seconds_total"

_EPILOG = """\
examples:
  python -m benchmarks.history --quick                 a first look: two pairs of W1 and W4, two minutes
  python -m benchmarks.history --pairs 7 --json out/history.json     half an hour

W1 and W3 are fed directly, as fast as they are taken; W4 (QoS 1) flows through Mosquitto in real time.
exit codes: 0 measured, 1 void   (a missed target is a result)
"""


@dataclass(frozen=True, slots=True)
class Share:
    """The processor time of the history's thread in one turn, of the daemon's since it started."""

    workload: str
    thread_seconds: float
    process_seconds: float

    @property
    def share(self) -> float:
        """Of the thread."""
        return self.thread_seconds / self.process_seconds


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; its exit code."""
    args = _parser().parse_args(arguments)
    if args.quick:
        args.pairs, args.workload, args.seconds, args.paced_seconds = 2, "W1,W4", 20.0, 15.0
    console = Console()
    workloads = [WORKLOADS[key] for key in args.workload.upper().split(",")]
    pairs: list[Pair] = []
    shares: list[Share] = []
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
                    turns, share = _turns(workload, number, args)
                    void += [reason for turn in turns.values() for reason in turn.void]
                    pairs.append(Pair(workload.key, _per_message(turns[WITH]), _per_message(turns[WITHOUT])))
                    shares.append(share)
    except (MissingError, FitError, RuntimeError) as error:
        console.print(f"[bold red]void:[/] {error}", highlight=False)
        return 1
    found = [compared([pair for pair in pairs if pair.workload == workload.key]) for workload in workloads]
    _show(console, found, shares)
    targets = list(_targets(found, shares))
    if args.json:
        figures = {"pairs": [asdict(each) for each in pairs], "shares": [asdict(each) for each in shares]}
        write_json(args.json, targets, compared=[asdict(each) for each in found], **figures)
    return conclude(console, targets, void)


def _turns(workload: Workload, number: int, args: argparse.Namespace) -> tuple[dict[str, Turn], Share]:
    """Both through one workload, the first of them in turns, and what the thread took."""
    paced = workload.qos > 0
    load = Load(workload, SETTLING_SECONDS + args.paced_seconds if paced else args.seconds)
    folder = args.out / "logs" / f"{workload.key}-{number + 1}"
    turns: dict[str, Turn] = {}
    share = Share(workload.key, 0.0, 1.0)
    for name in (WITH, WITHOUT) if number % 2 else (WITHOUT, WITH):
        more = {name: _OFF if name == WITHOUT else ""}
        with stations({name: load}, folder, direct=not paced, more=more) as ready:
            turns[name] = paced_turn(ready[name], 0.0, 1.0) if paced else flood_turn(ready[name])
            daemon = ready[name].contestant
            if name == WITH and isinstance(daemon, Daemon):
                seen = scrape(daemon.metrics_url, (_THREAD, _PROCESS))
                share = Share(workload.key, seen[_THREAD], seen[_PROCESS])
    return turns, share


def _targets(found: list[Comparison], shares: list[Share]) -> Iterator[Target]:
    for each in found:
        yield Target.at_most(f"{each.workload}: processor time, with over without", _MOST_RATIO, each.ratio, "x")
        highest = max(share.share for share in shares if share.workload == each.workload)
        yield Target.at_most(f"{each.workload}: of the history's thread", 100 * _MOST_SHARE, 100 * highest, "%")


def _per_message(turn: Turn) -> float:
    return turn.cpu_seconds / max(turn.messages, 1)


def _show(console: Console, found: list[Comparison], shares: list[Share]) -> None:
    table = Table("workload", "with, us a message", "without", "ratio", "90 % interval", "thread", "pairs")
    for each in found:
        of_thread = [share.share for share in shares if share.workload == each.workload]
        table.add_row(
            each.workload,
            f"{each.ours_us:.2f}",
            f"{each.theirs_us:.2f}",
            f"{each.ratio:.3f}",
            f"{each.low:.3f} to {each.high:.3f}",
            f"{min(of_thread):.2%} to {max(of_thread):.2%}",
            str(each.pairs),
        )
    console.print(table)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=7, metavar="N", help="how many (default: 7)")
    parser.add_argument("--workload", default="W1,W3,W4", metavar="W1,W2,…", help="which (default: W1,W3,W4)")
    parser.add_argument("--seconds", type=float, default=60.0, help="of telemetry that are sent at once (default: 60)")
    parser.add_argument("--paced-seconds", type=float, default=30.0, help="of telemetry in real time (default: 30)")
    add_common_options(parser, Path("out/history"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
