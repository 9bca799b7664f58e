"""How much memory a stream costs, and whether the daemon grows: under load, over artifact swaps, over reloads."""

import argparse
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks.common.artifacts import FitError, artifact_folder
from benchmarks.common.broker import MissingError, mosquitto
from benchmarks.common.models_in_use import use_version
from benchmarks.common.targets import Target, add_common_options, conclude, write_json
from benchmarks.common.workloads import W1, Telemetry, Workload
from benchmarks.latency.publisher import save
from benchmarks.latency.run import PlanError, make_plan, publisher_command, run_fleet
from benchmarks.throughput.contestants import FEEDING_CORE, LOSSES, ROOT, Daemon, pinned, scrape

_DESCRIPTION = """\
Measure the resident memory of `residuald run` (HTTP and alerts on), in three parts:

  streams   fleets of two sizes publish in real time, each with a daemon of its own: what one more stream costs, a
            scrape of everything included
  soak      1,000 devices of workload W1 (36,000 messages a second) for ten minutes, scraped every five seconds
  swaps     while devices publish, `current` is pointed at one and then the other of two artifacts, with a SIGHUP each;
            then SIGHUPs with nothing changed

Growth is the median of the last tenth of the measurements over that of the second tenth: the first is for warming up.
The limit per stream is four times what its last window takes as float32, and 4 KiB. Nothing may be lost, and each swap
must be seen in /metrics; otherwise the run is void.
"""
_EPILOG = """\
examples:
  python -m benchmarks.memory                      about a quarter of an hour
  python -m benchmarks.memory --quick --json m.json

exit codes: 0 measured, 1 void   (a missed target is a result)
"""
_WARD = W1.parts[0]
_SLOW_WARD = replace(_WARD, name="wards", samples_per_message=28, sample_rate_hz=28.0)  # windows of 5 s
_OTHER_MODEL = 'family = "dense"\nhidden = [64, 32, 6]\nactivation = "relu"\n'
_SETTLED_SECONDS = 16.0  # until every device of the slow fleet has had two windows
_EVERY = 100  # windows, of which one is anomalous
_SOAK_SCRAPE_SECONDS = 5.0
_SWAPPED_STREAMS = 100
_SEEN_SECONDS, _LOOK_SECONDS = 30.0, 0.02
_LOG_COLUMNS = 130  # where no terminal says how wide it is

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    streams: tuple[int, int]
    soak_seconds: float
    swaps: int
    reloads: int


_FULL = Plan(streams=(1000, 10_000), soak_seconds=600.0, swaps=500, reloads=100)
_QUICK = Plan(streams=(500, 2500), soak_seconds=20.0, swaps=20, reloads=10)


@dataclass(frozen=True, slots=True)
class Results:
    """Resident memory in bytes: by fleet size, and float64 [N] over time, swaps and reloads.

    void: why it proves nothing.
    """

    by_streams: dict[int, float]
    soak: Floats
    swaps: Floats
    reloads: Floats
    void: tuple[str, ...]

    @property
    def bytes_per_stream(self) -> float:
        """What one more stream costs."""
        (few, least), (many, most) = self.by_streams.items()
        return (most - least) / (many - few)


class SwapError(Exception):
    """The daemon did not do what it was told; the text says what."""


def growth(rss_bytes: Floats) -> float:
    """The last tenth over the second tenth, minus 1, by their medians."""
    tenth = max(1, len(rss_bytes) // 10)
    return float(np.median(rss_bytes[-tenth:]) / np.median(rss_bytes[tenth : 2 * tenth]) - 1)


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; its exit code."""
    args = _parser().parse_args(arguments)
    console = Console()
    if not console.is_terminal:
        console.width = _LOG_COLUMNS
    try:
        results = _measure(_QUICK if args.quick else _FULL, args.out / "logs", console)
    except (MissingError, FitError, PlanError, SwapError, RuntimeError) as error:
        console.print(f"[bold red]void:[/] {error}", highlight=False)
        return 1
    console.print(_table(results))
    args.out.mkdir(parents=True, exist_ok=True)
    plot(results, args.out / "memory.png")
    console.print(f"plot: {args.out / 'memory.png'}   logs: {args.out / 'logs'}")
    targets = targets_of(results)
    if args.json:
        figures = {
            name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in asdict(results).items()
        }
        packages = {name: version(name) for name in ("torch", "paho-mqtt", "numpy", "residuald")}
        machine = {"python": platform.python_version(), "packages": packages}
        write_json(args.json, targets, quick=args.quick, machine=machine, rss_bytes=figures)
    return conclude(console, targets, results.void)


def _measure(plan: Plan, logs: Path, console: Console) -> Results:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    void: list[str] = []
    by_streams = {}
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("streams", total=len(plan.streams))
        for streams in plan.streams:
            fleet = replace(_SLOW_WARD, streams=streams)
            run = run_fleet(fleet, _EVERY, _SETTLED_SECONDS, logs / f"streams-{streams}")
            by_streams[streams] = float(run.rss_bytes[-1])
            void += run.void
            progress.advance(task)
        soak_task = progress.add_task(f"soak, {plan.soak_seconds:g} s", total=1)
        fleet = replace(_WARD, streams=1000)
        soak = run_fleet(fleet, _EVERY, plan.soak_seconds, logs / "soak", scrape_every_seconds=_SOAK_SCRAPE_SECONDS)
        void += soak.void
        progress.advance(soak_task)
        with _swapping(logs / "swaps") as daemon:
            swap_task = progress.add_task("artifact swaps", total=plan.swaps)
            swaps = daemon.repeat(plan.swaps, daemon.swap, lambda: progress.advance(swap_task))
            reload_task = progress.add_task("reloads", total=plan.reloads)
            reloads = daemon.repeat(plan.reloads, daemon.reload, lambda: progress.advance(reload_task))
            void += daemon.losses()
    return Results(by_streams, soak.rss_bytes[:-1], swaps, reloads, tuple(void))


class _Swapped:
    """A daemon with a model that has two artifacts."""

    def __init__(self, daemon: Daemon, model: Path, in_use: str) -> None:
        self._daemon = daemon
        self._model = model
        self._artifacts = [path.name for path in sorted(model.glob("*.pt"))]
        self._in_use = in_use

    def repeat(self, count: int, action: Callable[[], None], on_done: Callable[[], object]) -> Floats:
        """Do something so many times, and weigh the daemon after each."""
        weights = []
        for _ in range(count):
            action()
            weights.append(float(self._daemon.rss_bytes))
            on_done()
        return np.array(weights)

    def swap(self) -> None:
        """Point `current` at the artifact that is not in use, and wait until the daemon uses it."""
        self._in_use = next(name for name in self._artifacts if name != self._in_use)
        in_use = self._in_use.removesuffix(".pt")
        use_version(self._model, in_use)
        version_label = f'version="{in_use}"'
        os.kill(self._daemon.pid, signal.SIGHUP)
        self._wait("residuald_artifact_info", lambda text: version_label in text)

    def reload(self) -> None:
        """Have everything loaded again."""
        before = self._ask("residuald_config_last_reload_success_timestamp_seconds")
        os.kill(self._daemon.pid, signal.SIGHUP)
        self._wait("residuald_config_last_reload_success_timestamp_seconds", lambda text: text != before)

    def losses(self) -> Iterator[str]:
        """What was lost meanwhile."""
        seen = scrape(self._daemon.metrics_url, (*LOSSES, "residuald_windows_scored_total"))
        if not seen.pop("residuald_windows_scored_total"):
            yield "swaps: no window was scored"
        yield from (f"swaps: {name} is {count:g}" for name, count in seen.items() if count)

    def _wait(self, name: str, satisfied: Callable[[str], bool]) -> None:
        deadline = time.monotonic() + _SEEN_SECONDS
        while not satisfied(self._ask(name)):
            if time.monotonic() > deadline:
                raise SwapError(f"after SIGHUP {name} did not change within {_SEEN_SECONDS:g} s")
            time.sleep(_LOOK_SECONDS)

    def _ask(self, name: str) -> str:
        with urllib.request.urlopen(f"{self._daemon.metrics_url}?name[]={name}") as response:
            text: str = response.read().decode()
            return text


@contextmanager
def _swapping(folder: Path) -> Iterator[_Swapped]:
    """A daemon that is fed all the while, with two artifacts to swap."""
    folder.mkdir(parents=True, exist_ok=True)
    fleet = replace(_WARD, streams=_SWAPPED_STREAMS)
    model = _two_artifacts(fleet, folder / fleet.name)
    save(make_plan(fleet, _EVERY), folder / "plan.npz")
    with pinned(FEEDING_CORE), mosquitto() as port:
        daemon = Daemon(port, Workload("swaps", "", (fleet,)), 1_000_000, folder)
        publisher = None
        try:
            daemon.wait_ready()
            daemon.settle()
            config = folder / "residuald.toml"
            config.write_text(config.read_text().replace(str(artifact_folder(fleet)), str(model.absolute())))
            # far longer than it takes: it is ended when the last reload is done
            publisher = subprocess.Popen(publisher_command(port, 86_400.0, folder), cwd=ROOT)
            yield _Swapped(daemon, model, _current(fleet).name)
        finally:
            if publisher is not None:
                publisher.terminate()
                publisher.wait()
            daemon.stop()


def _two_artifacts(fleet: Telemetry, folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for telemetry in (fleet, replace(fleet, fit=_OTHER_MODEL)):
        shutil.copy(_current(telemetry), folder)
    return folder


def _current(telemetry: Telemetry) -> Path:
    return (artifact_folder(telemetry) / "current").resolve()


def targets_of(results: Results) -> list[Target]:
    """What was aimed at."""
    limit = 4 * 4 * _SLOW_WARD.window * _SLOW_WARD.channels + 4096
    return [
        Target.at_most("memory per stream", limit, results.bytes_per_stream, "B"),
        *(
            Target.at_most(f"growth over {name}", 3.0, 100 * growth(rss), "%")
            for name, rss in (("the soak", results.soak), ("swaps", results.swaps), ("reloads", results.reloads))
        ),
    ]


def _table(results: Results) -> Table:
    table = Table("what", "from MB", "to MB", "growth", title="resident memory of the daemon")
    for column in table.columns[1:]:
        column.justify = "right"
    (few, least), (many, most) = results.by_streams.items()
    per_stream = f"{results.bytes_per_stream / 1024:.1f} KiB a stream"
    table.add_row(f"{few:,} to {many:,} streams", f"{least / 1e6:.0f}", f"{most / 1e6:.0f}", per_stream)
    for name, rss in (
        (f"soak, {len(results.soak):,} s", results.soak),
        (f"{len(results.swaps)} artifact swaps", results.swaps),
        (f"{len(results.reloads)} reloads", results.reloads),
    ):
        table.add_row(name, f"{rss[0] / 1e6:.0f}", f"{rss[-1] / 1e6:.0f}", f"{growth(rss):+.2%}")
    return table


def plot(results: Results, path: Path) -> None:
    """Draw memory over time, swaps and reloads (PNG)."""
    mpl.use("agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - the backend is chosen first

    figure, panels = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained", sharey=True)
    parts = (("s of soak", results.soak), ("artifact swaps", results.swaps), ("reloads", results.reloads))
    for axes, (name, rss) in zip(panels, parts, strict=True):
        axes.plot(np.arange(1, len(rss) + 1), rss / 1e6, color="#2a7f8e")
        axes.set(xlabel=name, title=f"{growth(rss):+.2%}")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("resident memory, MB")
    panels[0].set_ylim(0, 1.2e-6 * max(float(rss.max()) for _, rss in parts))
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=_DESCRIPTION, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_common_options(parser, Path("out/memory"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
