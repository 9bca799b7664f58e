"""The plots of docs/refit.md."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from benchmarks.lifecycle.figures import FROZEN, MATCHED, NAIVE, OURS, Seed
from benchmarks.lifecycle.plan import FAULTS, MOTORS, QUARTER_DAYS
from benchmarks.lifecycle.scoring import BUDGET_DAYS, FLEET_FACTOR

COLOURS = {FROZEN: "#D55E00", NAIVE: "#0072B2", OURS: "#009E73"}  # Okabe & Ito (2008)


def plot_false_alarms(seeds: Sequence[Seed], path: Path) -> None:
    """Draw false alarms of the fleet as they add up over the quarter: mean of the seeds, and their range."""
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
    days = np.arange(1, QUARTER_DAYS + 1)
    for arm, colour in COLOURS.items():
        counts = np.array([seed.cumulated[arm] for seed in seeds])
        axes.fill_between(days, counts.min(axis=0), counts.max(axis=0), color=colour, alpha=0.15, linewidth=0)
        axes.plot(days, counts.mean(axis=0), color=colour, label=arm)
    asked = days * MOTORS / BUDGET_DAYS
    axes.plot(days, asked, "--", color="black", linewidth=0.8, label="asked for")
    axes.plot(days, FLEET_FACTOR * asked, ":", color="black", linewidth=0.8, label=f"{FLEET_FACTOR:g} times that")
    axes.set(
        xlabel="day of the quarter", ylabel=f"false alarms of {MOTORS} motors", xlim=(0, QUARTER_DAYS), ylim=(0, None)
    )
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small", loc="upper left")
    figure.savefig(path, metadata={"Date": None})


def plot_faults(seeds: Sequence[Seed], path: Path) -> None:
    """Draw how much of a fully grown fault is anomalous in the end, and after how long it was caught, a dot each."""
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    arms = {FROZEN: FROZEN + MATCHED, NAIVE: NAIVE + MATCHED, OURS: OURS}
    for number, (arm, shown) in enumerate(arms.items()):
        for at, kind in enumerate(FAULTS):
            faults = [fault for seed in seeds for fault in seed.outcomes[shown].faults if fault.kind == kind.name]
            height = [at + 0.22 * (number - 1)] * len(faults)
            style = {"markersize": 4, "alpha": 0.6, "color": COLOURS[arm], "label": shown if at == 0 else None}
            left.plot([fault.anomalous for fault in faults], height, "o", **style)
            caught = [fault.delay_days for fault in faults if fault.delay_days is not None]
            right.plot(caught, [at + 0.22 * (number - 1)] * len(caught), "o", **style)
    left.axvline(0.5, color="black", linewidth=0.8)
    left.set_yticks(range(len(FAULTS)), [f"{kind.name}\n{kind.growth_days:g} d" for kind in FAULTS])
    left.invert_yaxis()
    left.set(xlabel="anomalous share of the last week", xlim=(-0.03, 1.03))
    right.set(xlabel="days from onset to the alert that names it", xlim=(0, None))
    for axes in (left, right):
        axes.grid(axis="x", alpha=0.3)
    figure.legend(*left.get_legend_handles_labels(), fontsize="small", loc="outside lower center", ncols=3)
    figure.savefig(path, metadata={"Date": None})
