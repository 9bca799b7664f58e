"""The plots of the quality benchmark's page."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from benchmarks.accuracy.rows.protocol import Row
from benchmarks.accuracy.run import Detector
from benchmarks.accuracy.seeds import Outcomes, mean_of, seen_interval, values_of

COLOURS = ("#D55E00", "#0072B2", "#009E73")  # Okabe & Ito (2008)


def plot_auc(rows: Sequence[Row], detectors: Sequence[Detector], outcomes: Outcomes, path: Path) -> None:
    """Draw the AUC-ROC of each row and detector, with the aim."""
    figure = Figure(figsize=(8, 0.42 * len(rows) + 1.2), layout="constrained")
    axes = figure.subplots()
    for number, detector in enumerate(detectors):
        for at, row in enumerate(rows):
            values = values_of(outcomes.get((row.name, detector.name), ()), "auc_roc")
            if values:
                height = [at + 0.12 * (number - (len(detectors) - 1) / 2)] * len(values)
                colour = COLOURS[number % len(COLOURS)]
                axes.plot(values, height, "o", markersize=5, alpha=0.8, color=colour, label=detector.title)
    for at, row in enumerate(rows):
        for aim in row.aims:
            if aim.figure == "auc_roc":
                axes.plot([aim.value] * 2, [at - 0.4, at + 0.4], color="black", linewidth=1, label="aim")
    axes.set_yticks(range(len(rows)), [row.title for row in rows])
    axes.invert_yaxis()
    axes.set(xlabel="AUC-ROC (a dot per seed)", xlim=(None, 1.005))
    axes.grid(axis="x", alpha=0.3)
    handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    axes.legend(handles.values(), handles.keys(), fontsize="small", loc="lower left")
    figure.savefig(path, metadata={"Date": None})


def plot_budget(rows: Sequence[Row], ours: Detector, outcomes: Outcomes, path: Path) -> None:
    """Draw for each row the false alarms asked for, promised and seen."""
    shown = [row for row in rows if row.timed and mean_of(outcomes.get((row.name, ours.name), ()), "asked_per_day")]
    figure = Figure(figsize=(8, 0.42 * len(shown) + 1.2), layout="constrained")
    axes = figure.subplots()
    for at, row in enumerate(shown):
        several = outcomes[row.name, ours.name]
        asked, expected = mean_of(several, "asked_per_day"), mean_of(several, "expected_per_day")
        low, high = mean_of(several, "low_per_day"), mean_of(several, "high_per_day")
        seen, seen_ends = mean_of(several, "false_alarms_per_day"), seen_interval(several)
        axes.plot([asked or 0] * 2, [at - 0.3, at + 0.3], color="black", linewidth=1.5, label="asked")
        axes.plot([low or 0, high or 0], [at - 0.12] * 2, color=COLOURS[1], alpha=0.6)
        axes.plot([expected or 0], [at - 0.12], "o", color=COLOURS[1], label="expected")
        axes.plot(seen_ends, [at + 0.12] * 2, color=COLOURS[0], alpha=0.6)
        axes.plot([seen or 0], [at + 0.12], "s", color=COLOURS[0], label="seen")
    axes.set_xscale("symlog", linthresh=0.01)
    axes.set_yticks(range(len(shown)), [row.title for row in shown])
    axes.invert_yaxis()
    axes.set(xlabel="false alarms per stream and day", xlim=(0, None))
    axes.grid(axis="x", alpha=0.3)
    handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    axes.legend(handles.values(), handles.keys(), fontsize="small")
    figure.savefig(path, metadata={"Date": None})


def plot_restored(pictures: Mapping[str, Sequence[Sequence[int]]], path: Path) -> None:
    """Draw what models make of spoilt images, a column [5 * H, W] per model."""
    columns = [np.asarray(picture) for picture in pictures.values()]
    rows = ("clean", "noisy", "restored", "blurred", "restored")
    height = len(columns[0]) / len(rows)
    figure = Figure(figsize=(0.5 * len(columns) + 0.9, 0.5 * len(rows) + 0.1), layout="constrained")
    axes = figure.subplots()
    axes.imshow(np.concatenate(columns, axis=1), cmap="gray", vmin=0, vmax=255)
    axes.set_xticks([])
    axes.set_yticks([(number + 0.5) * height for number in range(len(rows))], rows)
    axes.tick_params(length=0)
    figure.savefig(path, dpi=100, bbox_inches="tight", pad_inches=0.05)
