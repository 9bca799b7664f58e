"""Nothing lost, nothing twice: real processes, a real broker, and everything that can fail failing again and again.

Numbered messages of QoS 1 and 2 flow through a broker to `residuald run`, while in random order the daemon is killed
with SIGKILL, the broker restarts, the network stalls and breaks, the disk is full or slow, the journal's database is
held by somebody else, the clock jumps by an hour, the configuration and the artifacts change, streams expire and come
again, operators mute and forget streams, and other devices flood the broker. Devices have a topic or several, of one
source or of two, and gateways among them pass on what they held back topic by topic. In the end, what came out is
compared with one undisturbed pipeline that walks through the same messages in this process: windows by stream, event
time of the newest, each step of each alert by its id, which names stream and event time to the millisecond, and why
each alert ended.
"""

import argparse
import platform
import random
import shutil
import tempfile
import time
from itertools import islice
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks.chaos.brokers import BROKERS, BrokerChoice
from benchmarks.chaos.devices import Device, Lane, plain_device
from benchmarks.chaos.figures import differences, figures_of, targets_of
from benchmarks.chaos.happenings import Chaos, received
from benchmarks.chaos.listener import Listener
from benchmarks.chaos.models import fit_all
from benchmarks.chaos.plan import FULL, QUICK, Plan, planned
from benchmarks.chaos.publisher import Publisher, UnconfirmedError
from benchmarks.chaos.settings import Settings
from benchmarks.chaos.walk import expected_of
from benchmarks.chaos.world import ChaosError, Metrics, World
from benchmarks.common.broker import MissingError
from benchmarks.common.targets import conclude, write_json
from monitor import __version__

_EPILOG = """\
examples:
  python -m benchmarks.chaos --seed 1             the whole run: about six minutes
  python -m benchmarks.chaos --quick --seed 1     a minute
  python -m benchmarks.chaos --broker RabbitMQ    with another broker: see docs/brokers.md

The full disk needs a small file system of its own (tmpfs), the slow one strace: what is not permitted is left out, and
said so.

exit codes: 0 measured, 1 void   (something lost or twice is a result: see the targets)
"""
_STEPS_PER_SECOND = 240.0
_MOST_DIFFERENCES = 20  # that are shown
_QUIET_SECONDS = 20.0  # without any progress: what is not there by then will not come


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0, help="what happens when (0)")
    parser.add_argument("--quick", action="store_true", help="a smaller run of about a minute")
    parser.add_argument("--broker", choices=sorted(BROKERS), default="Mosquitto", help="(Mosquitto)")
    parser.add_argument("--packages", type=Path, default=Path("out/brokers"), metavar="DIR", help="(out/brokers)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures as JSON")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="work in this new folder and keep it: logs, journal")
    args = parser.parse_args()
    console = Console()
    folder = args.keep.resolve() if args.keep else Path(tempfile.mkdtemp(prefix="residuald-chaos-"))
    folder.mkdir(exist_ok=True)
    packages = args.packages.resolve()
    packages.mkdir(parents=True, exist_ok=True)
    plan = QUICK if args.quick else FULL
    try:
        return run(args.seed, plan, folder, console, args.json, BROKERS[args.broker], packages)
    except (ChaosError, UnconfirmedError, MissingError) as error:
        return conclude(console, [], [str(error)])
    finally:
        if args.keep is None:
            shutil.rmtree(folder, ignore_errors=True)


def run(
    seed: int,
    plan: Plan,
    folder: Path,
    console: Console,
    json_file: Path | None,
    broker: BrokerChoice,
    packages: Path,
) -> int:
    """One run; its exit code."""
    console.print(f"residuald {__version__}, seed {seed}")
    world = World(folder, fit_all(folder), broker, packages)
    rng = random.Random(seed)
    devices, shop = _devices(seed, world.settings)
    began = time.monotonic()
    try:
        world.start_broker()
        listener = Listener(world.broker_port, "residuald")
        first_config = folder / "monitor-0.toml"
        first_config.write_text(world.settings.frozen_text)
        world.start_daemon()
        world.wait_ready()
        publisher = Publisher(world.broker_port, devices, _STEPS_PER_SECOND, broker.device_qos)
        publisher.start()
        chaos = Chaos(world, publisher, shop, rng)
        happenings, left_out = planned(plan, chaos, world)
        rng.shuffle(happenings)
        with _progress(console) as progress:
            for happening in progress.track(happenings, description="chaos"):
                happening()
        publisher.finish()
        world.wait_ready()
        with _progress(console) as progress:
            task = progress.add_task("what has to come of it", total=chaos.published)
            expected = expected_of(first_config, chaos.devices, lambda count: progress.update(task, advance=count))
        metrics = _wait_quiet(world, listener, chaos.published)
        figures = figures_of(expected, world, metrics, listener, chaos)
        world.stop_daemon()
        listener.close()
    finally:
        world.close()
    _show(console, plan, chaos, figures, left_out, time.monotonic() - began)
    for line in islice(differences(expected, metrics, listener), _MOST_DIFFERENCES):
        console.print(f"[yellow]{line}[/]", highlight=False)
    targets = targets_of(figures, may_repeat=broker.alert_qos < 2)
    void = [] if figures["alert_steps_expected"] else ["no alert was to be expected"]
    if json_file is not None:
        write_json(json_file, targets, seed=seed, figures=figures, left_out=left_out, machine=platform.platform())
    return conclude(console, targets, void)


def _devices(seed: int, settings: Settings) -> tuple[list[Device], list[Device]]:
    """All devices, and those of the shop among them."""

    def device(number: int, *topics: str, holds_back: bool = False) -> Device:
        name, rng = f"device{number}", random.Random(f"{seed} {number}")
        if len(topics) == 1:
            return plain_device(topics[0].format(name), number, rng)
        lanes = tuple(Lane(topic.format(name), at) for at, topic in enumerate(topics))
        return Device(name, number, lanes, rng, holds_back)

    of_one_source, of_two = ("line/{}/a", "line/{}/b"), ("pump/{}/flow", "pumplog/{}")
    of_shop = tuple(lane.topic for lane in settings.lanes_of("{}"))
    others = [
        device(0, "plant/{}/hum"),
        device(1, "hall/{}/hum"),
        device(2, *of_one_source),
        device(3, *of_two),
        device(4, *of_one_source, holds_back=True),
        device(5, *of_two, holds_back=True),
    ]
    shop = [device(6, *of_shop), device(7, *of_shop, holds_back=True)]
    return [*others, *shop], shop


def _wait_quiet(world: World, listener: Listener, published: int) -> Metrics:
    """Wait until everything came, or nothing comes any more."""
    before: tuple[int, int] = (-1, -1)
    moved = time.monotonic()
    while True:
        now = received(world), sum(listener.steps.values())
        if now != before:
            before, moved = now, time.monotonic()
        elif time.monotonic() - moved > (2.0 if now[0] >= published else _QUIET_SECONDS):
            return world.metrics()
        time.sleep(0.2)


def _show(
    console: Console, plan: Plan, chaos: Chaos, figures: dict[str, int], left_out: list[str], seconds: float
) -> None:
    table = Table("what", "count")
    for name, count in figures.items():
        table.add_row(name.replace("_", " "), f"{count:,}")
    console.print(table)
    happened = ", ".join(f"{getattr(plan, name)} {name.replace('_', ' ')}" for name in Plan.__slots__)
    console.print(f"in {seconds:.0f} s: {happened}", highlight=False)
    console.print(", ".join(f"{name} {count:,}" for name, count in sorted(chaos.happened.items())), highlight=False)
    console.print(", ".join(f"{name} {took:.1f} s" for name, took in chaos.seconds.items()), highlight=False)
    for what in left_out:
        console.print(f"[yellow]left out:[/] {what}")


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True)
