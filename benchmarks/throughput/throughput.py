"""As fast as the wire: messages a second from an MQTT broker through residuald, beside what else could read them.

Every figure is a ratio of what ran side by side in this one run, in turns, round by round. See --help.
"""

import argparse
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from benchmarks.common.artifacts import FitError, artifact_folder
from benchmarks.common.broker import MissingError
from benchmarks.common.rounds import Rounds
from benchmarks.common.targets import add_common_options, conclude, write_json
from benchmarks.common.workloads import W1, W2, W3, W4, WORKLOADS, Workload
from benchmarks.throughput.contestants import COUNT, DAEMON, DRAIN, FEEDING_CORE, MEASURED_CORE, OBVIOUS
from benchmarks.throughput.report import BROKER, DIRECT, REAL_TIME, plot, show, targets_of
from benchmarks.throughput.startup import Startup, measure_startup
from benchmarks.throughput.turns import (
    FORWARD,
    FORWARD_KEPT,
    SETTLING_SECONDS,
    Load,
    flood_turn,
    forward_turn,
    paced_turn,
    stations,
)

_DESCRIPTION = """\
Measure how many messages a second residuald takes from a broker, scores and accounts for. Side by side in one run:

  D (wire)        a reader that only drains its socket: what Mosquitto can hand to anybody
  R (paho)        a bare paho-mqtt subscriber that counts
  obvious script  json, deque, the model window by window, gauges (benchmarks/throughput/obvious_script.py)
  residuald       `residuald run` with artifacts fitted by residuald-trainer, HTTP and alerts on
  bare forward    the frozen TorchScript module alone at its best batch size (W2), as torch comes and with the
                  allocator told what residuald tells it

Each has a Mosquitto of its own and one core; broker and publisher share another. All start together, then each in its
turn gets everything at once. With --mode direct there is no broker: a small process that speaks just enough MQTT feeds
the daemon, to see its own ceiling and its processor time per message.
In real time (W3, W4) the messages come when they are due, and processor time and memory are what counts.

Nothing may be lost: messages published = messages counted by /metrics, windows scored = windows expected, nothing
refused, dropped or withheld; otherwise the run is void. In a flood at QoS 0 the inbox of the daemon is given room for
all that is sent (limits.max_inbox_messages), because by design it would drop the oldest. Rates count from the first
byte published until /metrics shows that everything has been dealt with.

workloads:
"""
_EPILOG = """\
examples:
  python -m benchmarks.throughput                                  everything: half an hour on two idle cores
  python -m benchmarks.throughput --quick --workload W1            a first look
  python -m benchmarks.throughput --mode direct --workload W1,W3   the daemon's own ceiling

exit codes: 0 measured, 1 void   (a missed target is a result)
"""


@dataclass(frozen=True, slots=True)
class Size:
    """How many seconds of telemetry are sent at once: to all, and to the obvious script, which takes longer.

    streams: fewer devices than the workload has, for a quick look; None for all of them.
    """

    seconds: float
    obvious_seconds: float
    streams: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured. sizes: of what is sent at once, by workload; direct: who is fed directly."""

    rounds: int
    paced_rounds: int
    paced_seconds: float
    forward_seconds: float
    sizes: dict[str, Size]
    direct: tuple[str, ...]


_FULL = Plan(
    rounds=5,
    paced_rounds=3,
    paced_seconds=60.0,
    forward_seconds=0.5,
    sizes={"W1": Size(140, 45), "W2": Size(120, 30), "W3": Size(66, 66), "W4": Size(60, 20)},
    direct=(OBVIOUS, DAEMON),
)
_QUICK = Plan(
    rounds=2,
    paced_rounds=1,
    paced_seconds=10.0,
    forward_seconds=0.05,
    sizes={"W1": Size(30, 10), "W2": Size(20, 6), "W3": Size(66, 66, streams=50)},
    direct=(DAEMON,),
)
_LOG_COLUMNS = 130  # where no terminal says how wide it is
_DIRECT = (W1.key, W2.key, W3.key)  # the feeder speaks no QoS 1
_PACED = (W3.key, W4.key)
# Seconds of telemetry, and speed: W3's windows are a minute long. With 5 s to spare, because payloads without a time go
# by their arrival, and a slow start may cost a sample.
_WARM_UP = {W3.key: (55.0, 5.0), W4.key: (0.0, 1.0)}


@dataclass(slots=True)
class Results:
    """Everything measured: rounds by workload and mode, and starts."""

    rounds: dict[tuple[str, str], Rounds] = field(default_factory=dict)
    startups: list[Startup] = field(default_factory=list)

    @property
    def void(self) -> list[str]:
        """Why the run proves nothing."""
        return [f"{key} {mode}: {reason}" for (key, mode), rounds in self.rounds.items() for reason in rounds.void]


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; its exit code."""
    args = _parser().parse_args(arguments)
    console = Console()
    if not console.is_terminal:
        console.width = _LOG_COLUMNS
    plan = _QUICK if args.quick else _FULL
    workloads = [WORKLOADS[key] for key in args.workload]
    modes = (BROKER, DIRECT) if args.mode == "both" else (args.mode,)
    results = Results()
    try:
        with console.status("fitting the models that are not there yet"):
            for workload in workloads:
                for part in workload.parts:
                    artifact_folder(part)
        with _progress(console) as progress:
            task = progress.add_task("starting", total=None)
            for label in _measure(plan, workloads, modes, results, args.out / "logs"):
                progress.update(task, description=label)
    except (MissingError, FitError, RuntimeError) as error:
        console.print(f"[bold red]void:[/] {error}", highlight=False)
        return 1
    show(console, results.rounds)
    targets = targets_of(results.rounds, results.startups)
    args.out.mkdir(parents=True, exist_ok=True)
    plot(results.rounds, args.out / "throughput.png")
    if args.json:
        write_json(args.json, targets, **_details(plan, args, results))
    console.print(f"plot: {args.out / 'throughput.png'}   logs: {args.out / 'logs'}")
    return conclude(console, targets, results.void)


def _measure(
    plan: Plan, workloads: list[Workload], modes: tuple[str, ...], results: Results, logs: Path
) -> Iterator[str]:
    """Run everything that is asked for; yields what comes next."""
    for workload in workloads:
        size = plan.sizes.get(workload.key)
        if size is not None:
            smaller = workload if size.streams is None else workload.with_streams(size.streams)
            if BROKER in modes:
                yield from _floods(plan, smaller, size, BROKER, (DRAIN, COUNT, OBVIOUS, DAEMON), results, logs)
            if DIRECT in modes and workload.key in _DIRECT:
                yield from _floods(plan, smaller, size, DIRECT, plan.direct, results, logs)
        if BROKER in modes and workload.key in _PACED:
            yield from _paced(plan, workload, results, logs)
    for number in range(plan.rounds if BROKER in modes and W1 in workloads else 0):
        yield f"starts {number + 1}/{plan.rounds}"
        results.startups.append(measure_startup(W1))


def _floods(
    plan: Plan, workload: Workload, size: Size, mode: str, names: tuple[str, ...], results: Results, logs: Path
) -> Iterator[str]:
    everything, less = Load(workload, size.seconds), Load(workload, size.obvious_seconds)
    loads = {name: less if name == OBVIOUS else everything for name in names}
    forwards = (FORWARD, FORWARD_KEPT) if workload.key == W2.key and mode == BROKER else ()
    rounds = results.rounds[workload.key, mode] = Rounds([*names, *forwards])
    for number in range(plan.rounds):
        label = f"{workload.key} {mode} {number + 1}/{plan.rounds}"
        yield f"{label}: starting"
        with stations(loads, logs / f"{workload.key}-{mode}-{number + 1}", direct=mode == DIRECT) as ready:
            for name in rounds.order(number):
                yield f"{label}: {name}"
                if name in forwards:
                    rounds.add(forward_turn(name, artifact_folder(workload.parts[0]), plan.forward_seconds))
                else:
                    rounds.add(flood_turn(ready[name]))


def _paced(plan: Plan, workload: Workload, results: Results, logs: Path) -> Iterator[str]:
    warm_up_seconds, speed = _WARM_UP[workload.key]
    rounds = results.rounds[workload.key, REAL_TIME] = Rounds([DAEMON])
    for number in range(plan.paced_rounds):
        yield f"{workload.key} in real time {number + 1}/{plan.paced_rounds}"
        loads = {DAEMON: Load(workload, warm_up_seconds + SETTLING_SECONDS + plan.paced_seconds)}
        with stations(loads, logs / f"{workload.key}-paced-{number + 1}", direct=False) as ready:
            rounds.add(paced_turn(ready[DAEMON], warm_up_seconds, speed))


def _details(plan: Plan, args: argparse.Namespace, results: Results) -> dict[str, Any]:
    """What stands in the JSON beside the targets."""
    return {
        "void": results.void,
        "quick": args.quick,
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "cores": {"broker and publisher": FEEDING_CORE, "measured": MEASURED_CORE},
            "python": platform.python_version(),
            "packages": {name: version(name) for name in ("torch", "paho-mqtt", "numpy", "residuald")},
        },
        "rounds": plan.rounds,
        "turns": [
            {"workload": key, "mode": mode, **asdict(turn)}
            for (key, mode), rounds in results.rounds.items()
            for turns in rounds.turns.values()
            for turn in turns
        ],
        "starts": [asdict(startup) for startup in results.startups],
    }


def _progress(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(), TimeElapsedColumn(), TextColumn("{task.description}"), console=console, transient=True
    )


def _parser() -> argparse.ArgumentParser:
    workloads = "".join(f"  {workload.key}  {workload.title}\n" for workload in WORKLOADS.values())
    parser = argparse.ArgumentParser(
        description=_DESCRIPTION + workloads, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--workload", type=_workloads, default=tuple(WORKLOADS), metavar="W1,W2,…", help="only these (default: all)"
    )
    parser.add_argument(
        "--mode", choices=(BROKER, DIRECT, "both"), default="both", help="through Mosquitto, without it, or both"
    )
    add_common_options(parser, Path("out/throughput"))
    return parser


def _workloads(text: str) -> tuple[str, ...]:
    keys = tuple(dict.fromkeys(text.upper().split(",")))
    unknown = [key for key in keys if key not in WORKLOADS]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(WORKLOADS)}")
    return keys
