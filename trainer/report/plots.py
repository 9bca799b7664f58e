"""The report's pictures. Drawn with matplotlib's object interface: no display, no global state."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from trainer.training.loop import History

# Okabe & Ito (2008): told apart also by readers who do not see all colours.
COLOURS = {
    "train": "#0072B2",
    "validation": "#56B4E9",
    "calibration": "#009E73",
    "anomalous": "#D55E00",
    "threshold": "#000000",
    "input": "#444444",
    "reconstruction": "#E69F00",
}
MAX_CHANNELS = 12  # more rows than this nobody reads


def loss_curve(history: History) -> Figure:
    """Training and validation loss per epoch, and the epoch whose weights were kept."""
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    axes = figure.subplots()
    epochs = np.arange(1, len(history.train_loss) + 1)
    marker = "o" if len(epochs) == 1 else None
    axes.plot(epochs, history.train_loss, color=COLOURS["train"], label="train", marker=marker)
    axes.plot(epochs, history.validation_loss, color=COLOURS["validation"], label="validation", marker=marker)
    axes.axvline(history.best_epoch + 1, color=COLOURS["threshold"], linestyle=":", label="weights kept")
    axes.set(xlabel="epoch", ylabel="mean squared error", yscale="log")
    axes.legend()
    return figure


def error_distribution(errors: Mapping[str, NDArray[np.float32]], threshold: float) -> Figure:
    """How the window errors of each part are distributed (each part's bars sum to one), with the threshold.

    errors: of each part, float32 [N].
    """
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    axes = figure.subplots()
    positive = np.concatenate([values[values > 0] for values in errors.values()])
    low = min(float(positive.min(initial=threshold)), threshold)
    high = max(float(positive.max(initial=threshold)), threshold)
    bins = np.geomspace(low * 0.8, high * 1.25, 60).tolist()
    for name, values in errors.items():
        weights = np.full(len(values), 1 / len(values))
        axes.hist(
            np.maximum(values, bins[0]),
            bins=bins,
            weights=weights,
            histtype="stepfilled" if name in {"calibration", "anomalous"} else "step",
            alpha=0.5 if name in {"calibration", "anomalous"} else 1.0,
            color=COLOURS[name],
            label=f"{name} ({len(values)})",
        )
    axes.axvline(threshold, color=COLOURS["threshold"], linestyle="--", label=f"threshold {threshold:.3g}")
    axes.set(xlabel="reconstruction error", ylabel="fraction of windows", xscale="log")
    axes.legend()
    return figure


def reconstructions(
    titles: list[str],
    windows: NDArray[np.float32],
    reconstructed: NDArray[np.float32],
    channels: list[str],
    sample_period_seconds: float | None,
) -> Figure:
    """Input and reconstruction: one column per window, one row per channel (at most `MAX_CHANNELS`).

    windows, reconstructed: float32 [K, C, L]. sample_period_seconds: None where it is features that are reconstructed,
    not samples.
    """
    rows = min(len(channels), MAX_CHANNELS)
    figure = Figure(figsize=(3.2 * len(titles), 1.5 * rows + 0.8), layout="constrained")
    grid = figure.subplots(rows, len(titles), squeeze=False, sharex=True, sharey="row")
    at = np.arange(windows.shape[2]) * (sample_period_seconds or 1)
    for column, title in enumerate(titles):
        for row in range(rows):
            axes = grid[row][column]
            axes.plot(at, windows[column, row], color=COLOURS["input"], linewidth=1.0, label="input")
            axes.plot(
                at,
                reconstructed[column, row],
                color=COLOURS["reconstruction"],
                linewidth=1.2,
                label="reconstruction",
            )
            if row == 0:
                axes.set_title(title, fontsize=10)
            if column == 0:
                axes.set_ylabel(channels[row], fontsize=9)
            if row == rows - 1:
                axes.set_xlabel("seconds" if sample_period_seconds else "feature", fontsize=9)
            axes.tick_params(labelsize=8)
    grid[0][0].legend(fontsize=8)
    return figure
