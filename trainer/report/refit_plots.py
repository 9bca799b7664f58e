"""The pictures of a refit's report."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from monitor.core.history.alert_record import AlertRecord
from monitor.core.history.label import Label
from trainer.refit.day_cap import DAY_SECONDS
from trainer.refit.stream_share import Example, StreamShare

TAKEN = "#009E73"
# Okabe & Ito (2008), and greys for what is no word about the machine.
COLOURS = {
    "alert": "#D55E00",
    "confirmed": "#8B0000",
    "bad": "#000000",
    "maintenance": "#56B4E9",
    "before_accept": "#CC79A7",
    "moved": "#E69F00",
    "beyond_anchor": "#F0E442",
    "quality": "#BBBBBB",
    "day_cap": "#DDDDDD",
}
OLD, NEW = "#56B4E9", "#0072B2"
MOST_STREAMS = 40
_ROW_INCHES = 0.32


def score_distributions(old: NDArray[np.floating], new: NDArray[np.floating], names: tuple[str, str]) -> Figure:
    """How the scores of the same windows are distributed under both models; 1 is either's threshold.

    old, new: float [N], finite. names: of the models.
    """
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    axes = figure.subplots()
    both = np.concatenate([old, new])
    low = max(1e-4, float(both[both > 0].min(initial=1.0)) * 0.8)
    bins = np.geomspace(low, max(1.25, float(both.max(initial=1.0)) * 1.25), 60)
    for scores, colour, name, filled in ((old, OLD, names[0], True), (new, NEW, names[1], False)):
        axes.hist(
            np.clip(scores, bins[0], None),
            bins=bins.tolist(),
            weights=np.full(len(scores), 1 / max(1, len(scores))),
            histtype="stepfilled" if filled else "step",
            alpha=0.5 if filled else 1.0,
            linewidth=1.6,
            color=colour,
            label=name,
        )
    axes.axvline(1.0, color="black", linestyle="--", label="threshold")
    axes.set(xlabel="score (error / threshold)", ylabel="fraction of windows", xscale="log")
    axes.legend()
    return figure


def timeline(shares: Sequence[StreamShare], alerts: Sequence[AlertRecord], labels: Sequence[Label]) -> Figure:
    """What was taken and left out of each stream over time, with the alerts that fired and what people said.

    At most `MOST_STREAMS` streams.
    """
    chosen = list(shares)[:MOST_STREAMS]
    figure = Figure(figsize=(10, 1.6 + _ROW_INCHES * max(1, len(chosen))), layout="constrained")
    axes = figure.subplots()
    seen: dict[str, str] = {}
    for row, share in enumerate(chosen):
        pieces = [("taken", TAKEN, each.from_seconds, each.to_seconds) for each in share.taken]
        pieces += [(each.reason, COLOURS[each.reason], each.from_seconds, each.to_seconds) for each in share.excluded]
        by_kind: dict[tuple[str, str], list[tuple[float, float]]] = {}
        for kind, colour, begin, end in pieces:
            by_kind.setdefault((kind, colour), []).append((_day(begin), _day(end) - _day(begin)))
            seen[kind] = colour
        for (_, colour), spans in by_kind.items():
            axes.broken_barh(spans, (row - 0.36, 0.72), facecolors=colour, linewidth=0)
        fired = [_day(alert.from_seconds) for alert in alerts if alert.fired and alert.stream == share.name]
        axes.plot(fired, [row] * len(fired), "v", color="black", markersize=6, markerfacecolor="white")
        said = [_day(label.from_seconds) for label in labels if label.stream == share.name]
        axes.plot(said, [row] * len(said), "|", color="black", markersize=14, markeredgewidth=2)
    axes.set_yticks(range(len(chosen)), [share.name for share in chosen], fontsize=8)
    axes.set_ylim(len(chosen) - 0.4, -0.6)
    locator = AutoDateLocator(maxticks=8)  # type: ignore[no-untyped-call] # matplotlib does not type its dates
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call] # likewise
    axes.tick_params(axis="x", labelsize=8)
    handles = [Patch(color=seen[kind], label=kind.replace("_", " ")) for kind in ("taken", *COLOURS) if kind in seen]
    figure.legend(handles=handles, loc="outside upper left", ncols=6, fontsize=8, frameon=False)
    return figure


def examples(chosen: Sequence[Example], channels: Sequence[str], sample_period_seconds: float) -> Figure:
    """Windows as the sensors measured them: one column for each, one row for each channel.

    The examples, at most eight, have values [C, L].
    """
    rows = min(len(channels), 4)
    figure = Figure(figsize=(1.3 * len(chosen) + 1.2, 1.3 * rows + 0.9), layout="constrained")
    grid = figure.subplots(rows, len(chosen), squeeze=False, sharex=True, sharey="row")
    for column, example in enumerate(chosen):
        at = np.arange(example.values.shape[1]) * sample_period_seconds
        for row in range(rows):
            axes = grid[row][column]
            axes.plot(at, example.values[row], color=COLOURS.get(example.reason, TAKEN), linewidth=1.0)
            axes.tick_params(labelsize=7)
            if column == 0:
                axes.set_ylabel(channels[row], fontsize=8)
            if row == 0:
                axes.set_title(f"{example.stream}\n{(example.reason or 'taken').replace('_', ' ')}", fontsize=7)
            if row == rows - 1:
                axes.set_xlabel("seconds", fontsize=7)
    return figure


def counts_by_reason(shares: Sequence[StreamShare]) -> Mapping[str, int]:
    """How many windows of all streams are left out, by reason."""
    counts: dict[str, int] = {}
    for share in shares:
        for reason, count in share.left_out.items():
            counts[reason] = counts.get(reason, 0) + count
    return counts


def _day(seconds: float) -> float:
    """A time as matplotlib's dates have it: days since 1970, in UTC."""
    return seconds / DAY_SECONDS
