"""Nothing lost, nothing twice: real processes, a real broker, and everything that can fail failing again and again.

Numbered messages of QoS 1 and 2 flow through Mosquitto to `residuald run`, while in random order the daemon is killed
with SIGKILL, the broker restarts, the network stalls and breaks, the disk is full or slow, the journal's database is
held by somebody else, the clock jumps by an hour, and the configuration and the artifact change. In the end, what came
out is compared with one undisturbed pipeline that walks through the same messages in this process: windows by stream,
event time of the newest, and each step of each alert by its id, which names stream and event time to the millisecond.
"""

import argparse
import platform
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks.chaos.devices import RATE_HZ, Device, Expected, Listener, Publisher, expected_of
from benchmarks.chaos.world import ChaosError, Metrics, World, wait_for
from benchmarks.common.broker import MissingError
from benchmarks.common.targets import Target, conclude, write_json
from monitor import __version__
from trainer.artifact.folder import roll_back

_EPILOG = """\
examples:
  python -m benchmarks.chaos --seed 1          the whole run: about six minutes
  python -m benchmarks.chaos --quick --seed 1  a minute

The full disk needs a small file system of its own (tmpfs), the slow one strace: what is not permitted is left out, and
said so.

exit codes: 0 measured, 1 void   (something lost or twice is a result: see the targets)
"""
_DEVICES = 6
_MESSAGES_PER_SECOND = 240.0
_QUIET_SECONDS = 20.0  # without any progress: what is not there by then will not come
_HOUR_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How often each thing happens."""

    kills: int
    broker_restarts: int
    stalls: int
    full_disks: int
    slow_disks: int
    held_databases: int
    clock_jumps: int
    reloads: int
    swaps: int


FULL = Plan(50, 10, 10, 3, 3, 3, 6, 5, 5)
QUICK = Plan(8, 2, 2, 1, 1, 1, 2, 1, 1)


class Chaos:
    """The things that happen, each with how it ends: afterwards the daemon runs and is ready, or will be."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self._world = world
        self._rng = rng

    def kill(self) -> None:
        world = self._world
        self._sleep(0.0, 0.6)
        world.kill_daemon()
        self._sleep(0.0, 0.3)
        world.start_daemon()
        if self._rng.random() < 0.3:  # and once more, while it starts or catches up
            self._sleep(0.2, 1.6)
            world.kill_daemon()
            world.start_daemon()
        world.wait_ready()

    def restart_broker(self) -> None:
        self._world.stop_broker()
        self._sleep(0.0, 1.0)
        self._world.start_broker()

    def stall(self) -> None:
        self._world.proxy.stall()
        self._sleep(0.5, 4.0)
        (self._world.proxy.resume if self._rng.random() < 0.3 else self._world.proxy.cut)()

    def fill_disk(self) -> None:
        self._world.fill_disk()
        wait_for(lambda: self._world.readiness() == 503, "the full disk is noticed and told")
        self._sleep(0.0, 1.0)
        self._world.empty_disk()
        self._world.wait_ready()  # only then is what a crash would lose nothing again

    def slow_disk(self) -> None:
        with self._world.slow_writes(self._rng.uniform(0.01, 0.06)):
            self._sleep(1.0, 3.0)
            if self._rng.random() < 0.5:  # slow is not lost: a kill in the midst of it must cost nothing
                self._world.kill_daemon()
                self._world.start_daemon()

    def hold_database(self) -> None:
        with self._world.database_held():
            wait_for(lambda: self._world.readiness() == 503, "the held database is noticed and told")
        self._world.wait_ready()

    def jump(self) -> None:
        self._world.set_clock(self._rng.choice((-1, 1)) * _HOUR_SECONDS)
        self._sleep(0.3, 1.5)
        self._world.set_clock(0.0)

    def reload(self) -> None:
        self._world.reload()

    def swap(self) -> None:
        current = self._world.model / "current"
        old = current.readlink()
        other = next(file for file in sorted(self._world.model.glob("*.pt")) if file.name != old.name)
        roll_back(self._world.model, other.stem, datetime.now(UTC))  # every other one is older than that in use
        self._world.reload()

    def pause(self) -> None:
        self._sleep(0.05, 0.5)

    def _sleep(self, least: float, most: float) -> None:
        time.sleep(self._rng.uniform(least, most))


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0, help="what happens when (0)")
    parser.add_argument("--quick", action="store_true", help="a smaller run of about a minute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures as JSON")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="work in this new folder and keep it: logs, journal")
    args = parser.parse_args()
    console = Console()
    folder = args.keep.resolve() if args.keep else Path(tempfile.mkdtemp(prefix="residuald-chaos-"))
    folder.mkdir(exist_ok=True)
    try:
        return run(args.seed, QUICK if args.quick else FULL, folder, console, args.json)
    except (ChaosError, MissingError) as error:
        return conclude(console, [], [str(error)])
    finally:
        if args.keep is None:
            shutil.rmtree(folder, ignore_errors=True)


def run(seed: int, plan: Plan, folder: Path, console: Console, json_file: Path | None) -> int:
    """One run; its exit code."""
    console.print(f"residuald {__version__}, seed {seed}")
    world = World(folder, fit(folder))
    rng = random.Random(seed)
    topics = [f"{('plant', 'hall')[number % 2]}/device{number}/hum" for number in range(_DEVICES)]
    devices = [Device(topic, number, random.Random(f"{seed} {topic}")) for number, topic in enumerate(topics)]
    began = time.monotonic()
    try:
        world.start_broker()
        listener = Listener(world.broker_port, "residuald")
        world.start_daemon()
        world.wait_ready()
        publisher = Publisher(world.broker_port, devices, _MESSAGES_PER_SECOND)
        publisher.start()
        happenings, left_out = _happenings(plan, Chaos(world, rng), world)
        rng.shuffle(happenings)
        with _progress(console) as progress:
            for happening in progress.track(happenings, description="chaos"):
                happening()
        if not publisher.finish(60.0):
            raise ChaosError("the broker does not take what the devices publish")
        world.wait_ready()
        with _progress(console) as progress:
            task = progress.add_task("what has to come of it", total=publisher.published)
            expected = expected_of(world.config, devices, lambda count: progress.update(task, advance=count))
        metrics = _wait_quiet(world, listener, publisher.published)
        if world.stop_daemon() != 0:
            raise ChaosError("the daemon does not stop as it should")
        listener.close()
    finally:
        world.close()
    figures = _figures(expected, metrics, listener, publisher.published, world.kills)
    _show(console, plan, figures, left_out, time.monotonic() - began)
    targets = [
        Target.at_most(name.replace("_", " "), 0, figures[name], unit)
        for name, unit in (
            ("messages_lost", "messages"),
            ("windows_lost", "windows"),
            ("windows_duplicated", "windows"),
            ("streams_with_another_end", "streams"),
            ("alert_steps_missing", "steps"),
            ("alert_steps_unexpected", "steps"),
            ("alert_steps_repeated", "steps"),
        )
    ]
    void = [] if figures["alert_steps_expected"] else ["no alert was to be expected"]
    if json_file is not None:
        write_json(json_file, targets, seed=seed, figures=figures, left_out=left_out, machine=platform.platform())
    return conclude(console, targets, void)


def _happenings(plan: Plan, chaos: Chaos, world: World) -> tuple[list[Callable[[], None]], list[str]]:
    counted = [
        (plan.kills, chaos.kill),
        (plan.broker_restarts, chaos.restart_broker),
        (plan.stalls, chaos.stall),
        (plan.held_databases, chaos.hold_database),
        (plan.clock_jumps, chaos.jump),
        (plan.reloads, chaos.reload),
        (plan.swaps, chaos.swap),
    ]
    left_out = []
    if world.can_slow:
        counted.append((plan.slow_disks, chaos.slow_disk))
    else:
        left_out.append("the slow disk: strace is not there, or may not trace")
    if world.disk_is_small:
        counted.append((plan.full_disks, chaos.fill_disk))
    else:
        left_out.append("the full disk: mounting a tmpfs is not permitted")

    def happen(what: Callable[[], None]) -> None:
        what()
        chaos.pause()

    return [partial(happen, what) for count, what in counted for _ in range(count)], left_out


def fit(folder: Path) -> Path:
    """Two artifacts of the same numbers and different names: to be swapped without another verdict."""
    data, model = folder / "hum.npz", folder / "models" / "hum"
    at = np.arange(12000) / RATE_HZ
    samples = np.stack([np.sin(2 * np.pi * 5 * at), np.cos(2 * np.pi * 5 * at)], axis=1)
    samples += np.random.default_rng(0).normal(0, 0.05, samples.shape)
    np.savez(data, samples=samples.astype(np.float32), channels=["a", "b"], sample_rate_hz=RATE_HZ)
    command: list[str | Path] = [Path(sys.executable).with_name("residuald-trainer"), "fit", "--data", data]
    command += ["--out", model, "--family", "pca", "--window", "64", "--stride", "32"]
    for number in range(2):
        if number:
            time.sleep(1.1)  # versions are named by the second
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ChaosError(f"fitting failed:\n{done.stderr.strip()}")
    if len(list(model.glob("*.pt"))) < 2:
        raise ChaosError("there are no two artifacts to swap")
    return model


def _wait_quiet(world: World, listener: Listener, published: int) -> Metrics:
    """Wait until everything came, or nothing comes any more."""
    before: tuple[float, int] = (-1.0, -1)
    moved = time.monotonic()
    while True:
        metrics = world.metrics()
        now = metrics["residuald_messages_received_total"], sum(listener.steps.values())
        if now != before:
            before, moved = now, time.monotonic()
        elif time.monotonic() - moved > (2.0 if now[0] >= published else _QUIET_SECONDS):
            return metrics
        time.sleep(0.2)


def _figures(expected: Expected, metrics: Metrics, listener: Listener, published: int, kills: int) -> dict[str, int]:
    scored = {name: int(metrics.get(f"residuald_windows_scored_total {name}", 0)) for name in expected.windows}
    received = int(metrics["residuald_messages_received_total"])
    journaled = int(metrics["residuald_journal_messages_total"])
    wanted, seen = expected.alerts, set(listener.steps)
    ends = {name: state.get("time") for name, state in listener.states.items()}
    return {
        "sigkills": kills,
        "messages_published": published,
        "messages_journaled": journaled,
        "messages_scored_while_the_disk_failed": int(metrics["residuald_journal_dropped_total"]),
        "messages_walked": received,
        "messages_lost": max(published - received, 0),
        "windows_expected": sum(expected.windows.values()),
        "windows_scored": sum(scored.values()),
        "windows_lost": sum(max(count - scored[name], 0) for name, count in expected.windows.items()),
        "windows_duplicated": sum(max(scored[name] - count, 0) for name, count in expected.windows.items()),
        "streams_with_another_end": _other_ends(expected, metrics),
        "streams_told_last": len(ends),
        "alert_steps_expected": len(wanted),
        "alert_steps_seen": len(seen),
        "alert_steps_missing": len(wanted - seen),
        "alert_steps_unexpected": len(seen - wanted),
        "alert_steps_repeated": sum(listener.steps.values()) - len(seen),
    }


def _other_ends(expected: Expected, metrics: Metrics) -> int:
    """Streams whose samples do not end where the last message says: then a slot was left out or used twice."""
    newest = {name: metrics.get(f"residuald_last_sample_timestamp_seconds {name}", 0.0) for name in expected.windows}
    limit = 32 / RATE_HZ  # less than a stride lies behind the last window
    return sum(not 0 <= newest[name] - end + 1e-3 < limit for name, end in expected.newest_seconds.items())


def _show(console: Console, plan: Plan, figures: dict[str, int], left_out: list[str], seconds: float) -> None:
    table = Table("what", "count")
    for name, count in figures.items():
        table.add_row(name.replace("_", " "), f"{count:,}")
    console.print(table)
    happened = ", ".join(f"{getattr(plan, name)} {name.replace('_', ' ')}" for name in Plan.__slots__)
    console.print(f"in {seconds:.0f} s: {happened}", highlight=False)
    for what in left_out:
        console.print(f"[yellow]left out:[/] {what}")


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True)
