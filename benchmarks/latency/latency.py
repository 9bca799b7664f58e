"""How long it takes from a device's last sample to the alert, and to the metric: at three loads, and while scraped."""

import argparse
import math
import platform
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks.common.artifacts import FitError
from benchmarks.common.broker import MissingError
from benchmarks.common.targets import Target, add_common_options, conclude, write_json
from benchmarks.common.workloads import W1, Telemetry
from benchmarks.latency.observers import Scrape
from benchmarks.latency.run import FleetRun, PlanError, run_fleet
from monitor.adapters.engines.settings import ScoringConfig

_DESCRIPTION = """\
Measure latency from the moment the last message of a window leaves its device until

  alert    a subscriber has the MQTT alert (every anomalous window is one: k = n = 1)
  metric   /metrics counts the window, looked at about every 10 ms

with the telemetry of workload W1 (JSON of 10 numbers, 360 Hz, dense 140-64-32-8) in real time: so many devices that
they publish 1 %, 50 % and 90 % of the highest load held. That is looked for first: what is reached when everything is
published at once, and 15 % less as long as the publisher, who shares its core, falls behind in real time.
Then 10,000 devices publish once a second and everything is scraped every second, compressed, as Prometheus does.

The daemon (`residuald run`, HTTP and alerts on) has one core; publisher, Mosquitto and listeners share another.
Mosquitto runs with `set_tcp_nodelay true`: as it comes, it puts off small packets for up to 40 ms, which is neither
ours to gain nor to lose. A batch waits for at most scoring.max_delay_seconds = 0.05, and that is part of the latency.

Nothing may be lost, and exactly the anomalous windows must raise alerts; otherwise the run is void.
"""
_EPILOG = """\
examples:
  python -m benchmarks.latency                      about seven minutes on two idle cores
  python -m benchmarks.latency --quick --json l.json
  python -m benchmarks.latency --highest 150000     the highest load held is known already

exit codes: 0 measured, 1 void   (a missed target is a result)
"""
MAX_DELAY_SECONDS = ScoringConfig().max_delay_seconds
_WARD = W1.parts[0]
# windows of 5 s: 10,000 devices make 2,000 windows a second
_SCRAPED = replace(_WARD, name="wards", streams=10_000, samples_per_message=28, sample_rate_hz=28.0)
_FLOODED_STREAMS = 3000
_SHARES = {"1 %": 0.01, "50 %": 0.5, "90 %": 0.9}
_ALERTS_PER_SECOND, _SCRAPED_ALERTS_PER_SECOND = 40.0, 100.0
_FEWEST_WINDOWS = 4  # between two anomalous ones of a device, so that each is an alert of its own
_SCRAPE_EVERY_SECONDS = 1.0
_BEHIND_SECONDS = 1.0  # a publisher that is later than that did not hold the load
_TRIED_BEHIND_SECONDS = 0.25  # the same in a trial, which is shorter
_LESS, _TRIALS = 0.85, 10
_LOG_COLUMNS = 130  # where no terminal says how wide it is

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Results:
    """All runs. levels: by share of the highest load; scraped: with 10,000 devices."""

    highest: float  # messages per second
    levels: dict[str, tuple[FleetRun, FleetRun]]  # one for alerts, one while /metrics was looked at
    scraped: FleetRun

    @property
    def runs(self) -> list[FleetRun]:
        """Every run in real time."""
        return [*(run for pair in self.levels.values() for run in pair), self.scraped]

    @property
    def void(self) -> list[str]:
        """Why the results prove nothing."""
        behind = [
            f"{run.streams} streams: the publisher was {run.lag_seconds:.2f} s late: the load was not held"
            for run in self.runs
            if run.lag_seconds > _BEHIND_SECONDS
        ]
        return [*(reason for run in self.runs for reason in run.void), *behind]


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; its exit code."""
    args = _parser().parse_args(arguments)
    console = Console()
    if not console.is_terminal:
        console.width = _LOG_COLUMNS
    try:
        results = _measure(args, console)
    except (MissingError, FitError, PlanError, RuntimeError) as error:
        console.print(f"[bold red]void:[/] {error}", highlight=False)
        return 1
    console.print(_table(results))
    args.out.mkdir(parents=True, exist_ok=True)
    plot(results, args.out / "latency.png")
    console.print(f"plot: {args.out / 'latency.png'}   logs: {args.out / 'logs'}")
    targets = targets_of(results)
    if args.json:
        write_json(args.json, targets, void=results.void, quick=args.quick, **_details(results))
    return conclude(console, targets, results.void)


def _measure(args: argparse.Namespace, console: Console) -> Results:
    seconds, flood_seconds, trial_seconds, scraped_seconds = (
        (6.0, 4.0, 3.0, 20.0) if args.quick else (40.0, 20.0, 10.0, 60.0)
    )
    logs: Path = args.out / "logs"
    columns = (SpinnerColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("the highest load held", total=None)
        highest = args.highest or _highest_held(flood_seconds, trial_seconds, logs)
        levels = {}
        for name, share in _SHARES.items():
            fleet = _fleet(highest * share)
            progress.update(task, description=f"{name}: {fleet.streams} devices, alerts")
            alerts = run_fleet(fleet, _every(fleet), seconds, logs / f"alerts-{share}")
            progress.update(task, description=f"{name}: {fleet.streams} devices, metrics")
            levels[name] = (alerts, run_fleet(fleet, _every(fleet), seconds, logs / f"metrics-{share}", poll=True))
        progress.update(task, description=f"{_SCRAPED.streams} devices, scraped")
        scraped = run_fleet(
            _SCRAPED,
            _every(_SCRAPED, _SCRAPED_ALERTS_PER_SECOND),
            scraped_seconds,
            logs / "scraped",
            scrape_every_seconds=_SCRAPE_EVERY_SECONDS,
        )
    return Results(highest, levels, scraped)


def _highest_held(flood_seconds: float, trial_seconds: float, logs: Path) -> float:
    """Messages per second that are published in real time, and dealt with, while /metrics is looked at."""
    flooded = replace(_WARD, streams=_FLOODED_STREAMS)
    flood = run_fleet(flooded, _every(flooded), flood_seconds, logs / "flood", flood=True)
    if flood.void:
        raise RuntimeError(f"the highest load cannot be told: {'; '.join(flood.void)}")
    highest = flood.messages_per_second
    for _ in range(_TRIALS):
        fleet = _fleet(highest)
        trial = run_fleet(fleet, _every(fleet), trial_seconds, logs / "trial", poll=True)
        if not trial.void and trial.lag_seconds <= _TRIED_BEHIND_SECONDS:
            return highest
        highest *= _LESS
    raise RuntimeError(f"not even {highest / _LESS:,.0f} messages/s are published in real time: is the machine busy?")


def _fleet(messages_per_second: float) -> Telemetry:
    """So many devices that they publish about so much."""
    return replace(_WARD, streams=max(1, round(messages_per_second * _WARD.message_period_seconds)))


def _every(fleet: Telemetry, alerts_per_second: float = _ALERTS_PER_SECOND) -> int:
    """One in so many windows is anomalous, so that there are about as many alerts whatever the load."""
    windows_per_second = fleet.streams * fleet.sample_rate_hz / fleet.window
    return max(_FEWEST_WINDOWS, round(windows_per_second / alerts_per_second))


def during(run: FleetRun) -> NDArray[np.bool_]:
    """Which alerts of a run were on their way during a scrape."""
    arrived = run.sent_seconds + run.alert_seconds
    overlaps = [
        (run.sent_seconds <= scrape.ended_seconds) & (arrived >= scrape.began_seconds) for scrape in run.scrapes
    ]
    return np.logical_or.reduce(overlaps) if overlaps else np.zeros(len(arrived), np.bool_)


def targets_of(results: Results) -> list[Target]:
    """What was aimed at."""
    targets = [
        Target.at_most(f"p99 latency of alerts at {name} load", limit * 1e3, _p99(results.levels[name][0]), "ms")
        for name, limit in (("1 %", MAX_DELAY_SECONDS + 0.015), ("50 %", 2 * MAX_DELAY_SECONDS))
    ]
    run = results.scraped
    slowest = max((scrape.ended_seconds - scrape.began_seconds for scrape in run.scrapes), default=math.inf)
    if run.scrapes:
        targets.append(Target.at_most("slowest scrape of 10,000 streams", 0.5, slowest, "s"))
    chosen = run.alert_seconds[during(run)]
    if len(chosen):
        reached = float(np.percentile(chosen, 99)) * 1e3
        targets.append(Target.at_most("p99 latency of alerts during a scrape", 2e3 * MAX_DELAY_SECONDS, reached, "ms"))
    return targets


def _p99(run: FleetRun) -> float:
    return float(np.percentile(run.alert_seconds, 99)) * 1e3


def _series(results: Results) -> Iterator[tuple[str, FleetRun, Floats]]:
    """Everything that has a distribution: what it is, its run, and the latencies in seconds."""
    for name, (alerts, metrics) in results.levels.items():
        yield f"{name}: alert", alerts, alerts.alert_seconds
        yield f"{name}: metric", metrics, metrics.metric_seconds
    run = results.scraped
    yield "10,000 streams: alert", run, run.alert_seconds[~during(run)]
    yield "10,000 streams: alert during a scrape", run, run.alert_seconds[during(run)]


def _table(results: Results) -> Table:
    table = Table("load", "devices", "messages/s", "of a core", "n", "p50", "p90", "p99", "max")
    table.title = f"latency in ms; highest load held: {results.highest:,.0f} messages/s"
    for column in table.columns[1:]:
        column.justify = "right"
    for name, run, latencies in _series(results):
        figures = [float(np.percentile(latencies, level)) * 1e3 for level in (50, 90, 99, 100) if len(latencies)]
        share = run.daemon_seconds / run.wall_seconds
        cells = [f"{run.streams:,}", f"{run.messages_per_second:,.0f}", f"{share:.0%}", f"{len(latencies):,}"]
        table.add_row(name, *cells, *(f"{figure:.1f}" for figure in figures))
    took = [scrape.ended_seconds - scrape.began_seconds for scrape in results.scraped.scrapes]
    if took:
        size = np.median([scrape.compressed_bytes for scrape in results.scraped.scrapes])
        table.caption = (
            f"{len(took)} scrapes of 10,000 streams: median {np.median(took) * 1e3:.0f} ms, "
            f"slowest {max(took) * 1e3:.0f} ms, {size / 1e6:.2f} MB compressed"
        )
    return table


def _details(results: Results) -> dict[str, Any]:
    """What stands in the JSON beside the targets."""
    return {
        "highest_messages_per_second": results.highest,
        "max_delay_seconds": MAX_DELAY_SECONDS,
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "python": platform.python_version(),
            "packages": {name: version(name) for name in ("torch", "paho-mqtt", "numpy", "residuald")},
        },
        "latencies": [
            {
                "what": name,
                "streams": run.streams,
                "messages_per_second": run.messages_per_second,
                "daemon_share_of_a_core": run.daemon_seconds / run.wall_seconds,
                "publisher_lag_seconds": run.lag_seconds,
                "count": len(latencies),
                "percentiles_seconds": {
                    f"p{level:g}": float(np.percentile(latencies, level)) for level in (1, 50, 90, 99, 100)
                }
                if len(latencies)
                else {},
                "histogram": _histogram(latencies),
            }
            for name, run, latencies in _series(results)
        ],
        "scrapes": [_scrape(scrape) for scrape in results.scraped.scrapes],
    }


def _histogram(latencies: Floats) -> dict[str, list[float]]:
    counts, edges = np.histogram(latencies, bins=_bins(latencies))
    return {"edges_seconds": edges.tolist(), "counts": counts.tolist()}


def _bins(latencies: Floats) -> Floats:
    longest = float(latencies.max()) if len(latencies) else 0.0
    return np.arange(0.0, max(longest, 3 * MAX_DELAY_SECONDS) + 0.002, 0.002)


def _scrape(scrape: Scrape) -> dict[str, float]:
    return {"seconds": scrape.ended_seconds - scrape.began_seconds, "compressed_bytes": scrape.compressed_bytes}


def plot(results: Results, path: Path) -> None:
    """Draw the histograms, a panel each (PNG)."""
    mpl.use("agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - the backend is chosen first

    series = list(_series(results))
    figure, panels = plt.subplots(len(series) // 2, 2, figsize=(10, 9), layout="constrained", sharex=True)
    for axes, (name, run, latencies) in zip(panels.flat, series, strict=True):
        colour = "#d08c60" if "metric" in name else "#2a7f8e"
        if len(latencies):
            axes.hist(latencies * 1e3, bins=_bins(latencies) * 1e3, color=colour)
            axes.axvline(np.percentile(latencies, 99) * 1e3, color="black", linewidth=1)
        axes.axvline(MAX_DELAY_SECONDS * 1e3, color="grey", linewidth=1, linestyle=":")
        axes.set_title(f"{name} ({run.messages_per_second:,.0f} messages/s)", fontsize=9)
    slowest = max((float(np.percentile(latencies, 99)) for _, _, latencies in series if len(latencies)), default=0.0)
    panels[0, 0].set_xlim(0, 1e3 * max(1.1 * slowest, 3 * MAX_DELAY_SECONDS))
    for axes in panels[-1]:
        axes.set_xlabel("ms after the last sample left (line: p99; dotted: max_delay)")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=_DESCRIPTION, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--highest", type=float, metavar="N", help="highest load held, messages/s (default: measured)")
    add_common_options(parser, Path("out/latency"))
    return parser
