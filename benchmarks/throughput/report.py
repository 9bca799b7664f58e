"""What the throughput benchmark found: targets, a table and a plot."""

import statistics
from pathlib import Path

import matplotlib as mpl
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.common.rounds import Rounds, Spread, Turn
from benchmarks.common.targets import Target
from benchmarks.common.workloads import WORKLOADS
from benchmarks.throughput.contestants import COUNT, DAEMON, DRAIN, OBVIOUS
from benchmarks.throughput.startup import Startup
from benchmarks.throughput.turns import FORWARD

BROKER, DIRECT, REAL_TIME = "broker", "direct", "real time"
Measured = dict[tuple[str, str], Rounds]  # by workload and mode

_COLOURS = {DRAIN: "#9aa0a6", COUNT: "#7b8fa1", OBVIOUS: "#d08c60", DAEMON: "#2a7f8e"}


def _rate(turn: Turn) -> float:
    return turn.messages_per_second


def _windows(turn: Turn) -> float:
    return turn.windows_per_second


def _microseconds(turn: Turn) -> float:
    return turn.cpu_us_per_message


def _core(turn: Turn) -> float:
    return turn.cpu_seconds / turn.seconds


def _megabytes(turn: Turn) -> float:
    return turn.rss_bytes / 1e6


def targets_of(measured: Measured, startups: list[Startup]) -> list[Target]:
    """The targets that this run says something about."""
    targets: list[Target] = []
    if rounds := measured.get(("W1", BROKER)):
        reached = rounds.ratio(DAEMON, DRAIN, _rate).median
        targets.append(Target.at_least("W1 messages/s, whole pipeline", 0.9, reached, "x D"))
    for key, limit in (("W1", 5.0), ("W3", 4.0)):
        if rounds := measured.get((key, DIRECT)):
            reached = rounds.spread(DAEMON, _microseconds).median
            targets.append(Target.at_most(f"{key} processor time per message, fed directly", limit, reached, "us"))
    if rounds := measured.get(("W2", BROKER)):
        forward, obvious = (rounds.ratio(DAEMON, other, _windows).median for other in (FORWARD, OBVIOUS))
        targets.append(Target.at_least("W2 windows/s over the bare forward", 0.8, forward, "x forward"))
        targets.append(Target.at_least("W2 windows/s over the obvious script", 15.0, obvious, "x obvious"))
    if rounds := measured.get(("W3", REAL_TIME)):
        share, memory = (rounds.spread(DAEMON, figure).median for figure in (_core, _megabytes))
        targets.append(Target.at_most("W3 processor time in real time", 15.0, 100 * share, "% of a core"))
        targets.append(Target.at_most("W3 resident memory", 500.0, memory, "MB"))
    if rounds := measured.get(("W3", BROKER)):
        held = rounds.spread(DAEMON, _rate).median / WORKLOADS["W3"].messages_per_second
        targets.append(Target.at_least("W3 highest rate held", 7.0, held, "x real time"))
    if rounds := measured.get(("W4", REAL_TIME)):
        lost = float(sum(bool(turn.void) for turn in rounds.turns[DAEMON]))
        targets.append(Target.at_most("W4 rounds with anything lost", 0.0, lost, "rounds"))
        share = rounds.spread(DAEMON, _core).median
        targets.append(Target.at_most("W4 processor time in real time", 50.0, 100 * share, "% of a core"))
    if startups:
        limit = 2 * statistics.median(start.import_torch_seconds for start in startups) + 1
        reached = statistics.median(start.ready_seconds for start in startups)
        targets.append(Target.at_most("start to READY (twice `import torch` + 1 s)", limit, reached, "s"))
    return targets


def show(console: Console, measured: Measured) -> None:
    """Print what was measured: medians, and the values they lie between."""
    table = Table("workload", "contestant", "messages/s", "x D", "windows/s", "us/message", "of a core", "MB")
    for column in table.columns[2:]:
        column.justify = "right"
    for (key, mode), rounds in measured.items():
        for name, turns in rounds.turns.items():
            table.add_row(f"{key} {mode}", name, *_cells(rounds, name, turns))
        table.add_section()
    console.print(table)


def _cells(rounds: Rounds, name: str, turns: list[Turn]) -> list[str]:
    has_messages = any(turn.messages for turn in turns)
    has_windows = any(turn.windows for turn in turns)
    return [
        _text(rounds.spread(name, _rate)) if has_messages else "",
        f"{rounds.ratio(name, DRAIN, _rate).median:.2f}" if has_messages and DRAIN in rounds.turns else "",
        _text(rounds.spread(name, _windows)) if has_windows else "",
        f"{rounds.spread(name, _microseconds).median:.2f}" if has_messages else "",
        f"{rounds.spread(name, _core).median:.0%}" if has_messages else "",
        f"{rounds.spread(name, _megabytes).median:.0f}" if has_messages else "",
    ]


def _text(spread: Spread) -> str:
    return f"{spread.median:,.0f} ({spread.low:,.0f}-{spread.high:,.0f})"


def plot(measured: Measured, path: Path) -> None:
    """Draw messages a second through the broker, and processor time per message, as bars with their spread (PNG)."""
    mpl.use("agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - the backend is chosen first

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    names = (DRAIN, COUNT, OBVIOUS, DAEMON)
    for axes, mode, value, title in (
        (left, BROKER, _rate, "messages/s through Mosquitto"),
        (right, DIRECT, _microseconds, "processor time per message, fed directly (us)"),
    ):
        keys = [key for key, measured_mode in measured if measured_mode == mode]
        seen: list[float] = []
        for number, name in enumerate(names):
            there = [(at, measured[key, mode]) for at, key in enumerate(keys) if name in measured[key, mode].turns]
            spreads = [rounds.spread(name, value) for _, rounds in there]
            heights = np.array([spread.median for spread in spreads])
            errors = [heights - [spread.low for spread in spreads], [spread.high for spread in spreads] - heights]
            places = [at + (number - 1.5) * 0.2 for at, _ in there]
            seen += [limit for spread in spreads for limit in (spread.low, spread.high) if limit > 0]
            axes.bar(places, heights, 0.2, yerr=errors, capsize=2, label=name, color=_COLOURS[name])
        axes.set(title=title, xticks=range(len(keys)), xticklabels=keys, yscale="log")
        axes.set_ylim(min(seen, default=1.0) / 2, max(seen, default=1.0) * 2)
        axes.grid(axis="y", alpha=0.3)
    left.legend()
    figure.savefig(path, dpi=120)
    plt.close(figure)
