"""The report of the real-telemetry benchmark: its tables, as markdown and on the terminal, and its plots."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.datasets.figures import Figures, Judged, figures_of
from benchmarks.real_replay.cases import Case, DataSet
from benchmarks.real_replay.trial import Trial

mpl.use("Agg")  # no display is needed
from matplotlib import pyplot as plt

FAMILIES = {"dense": "dense AE", "conv": "conv AE", "pca": "PCA"}
COLUMNS = ("windows", "anomalous", "AUC-ROC", "AUC-PR", "F1", "F1 always", "false alarms/h", "anomalies hit", "delay s")
_PLOT_WINDOWS = 1000  # of a stream at most, around its first anomaly: in more nothing can be seen


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table: what was judged, by which family, with one set of figures per seed."""

    title: str
    family: str
    by_seed: tuple[Figures, ...]

    def cells(self) -> list[str]:
        """The figures as text: the mean over seeds, and their range where they differ."""
        first = self.by_seed[0]
        return [
            str(first.windows),
            f"{first.anomalous:.1%}",
            self._spread(lambda figures: figures.auc_roc, "{:.3f}".format),
            self._spread(lambda figures: figures.auc_pr, "{:.3f}".format),
            self._spread(lambda figures: figures.f1, "{:.3f}".format),
            self._spread(lambda figures: figures.f1_always, "{:.3f}".format),
            self._spread(lambda figures: figures.false_alarms_per_hour, _three_digits),
            f"{self._spread(lambda figures: figures.hit, '{:.0f}'.format)} of {first.events}",
            self._spread(lambda figures: figures.delay_seconds, _three_digits),
        ]

    def mean(self, figure: Callable[[Figures], float | None]) -> float | None:
        """The mean of a figure over the seeds; None where it is not defined for some seed."""
        values = [value for figures in self.by_seed if (value := figure(figures)) is not None]
        return float(np.mean(values)) if len(values) == len(self.by_seed) else None

    def _spread(self, figure: Callable[[Figures], float | None], style: Callable[[float], str]) -> str:
        mean = self.mean(figure)
        if mean is None:
            return "-"
        values = [style(value) for figures in self.by_seed if (value := figure(figures)) is not None]
        low, high = min(values, key=float), max(values, key=float)
        return low if low == high else f"{style(mean)} ({low}…{high})"


def _three_digits(value: float) -> str:
    """About three digits, and never an exponent."""
    return f"{value:.{0 if value >= 99.5 else 1 if value >= 9.95 else 2}f}"


def rows_by_data_set(cases: Sequence[Case], trials: Sequence[Trial]) -> list[Row]:
    """A row per data set and family, all its streams together."""
    rows: list[Row] = []
    for data_set in dict.fromkeys(case.data_set for case in cases):
        models = [case.model for case in cases if case.data_set == data_set]
        judged = [[each for model in models for each in trial.judged[model]] for trial in trials]
        rows += _rows(data_set.title, trials, judged)
    return rows


def rows_by_stream(cases: Sequence[Case], trials: Sequence[Trial]) -> list[Row]:
    """A row per stream and family."""
    rows: list[Row] = []
    for case in cases:
        for at, stream in enumerate(case.split.stream):
            rows += _rows(stream.name, trials, [[trial.judged[case.model][at]] for trial in trials])
    return rows


def _rows(title: str, trials: Sequence[Trial], judged: Sequence[Sequence[Judged]]) -> Iterator[Row]:
    """A row per family; `judged`: the streams that count, by trial."""
    figures = [figures_of(streams) for streams in judged]
    for family in dict.fromkeys(trial.detector.family for trial in trials):
        seeds = (each for each, trial in zip(figures, trials, strict=True) if trial.detector.family == family)
        yield Row(title, family, tuple(seeds))


def show(console: Console, rows: Sequence[Row]) -> None:
    """Print a table."""
    table = Table("data", "model", *COLUMNS)
    for row in rows:
        table.add_row(row.title, FAMILIES[row.family], *row.cells())
    console.print(table)


def markdown(rows: Sequence[Row]) -> str:
    """Write a table as markdown."""
    head = ["data", "model", *COLUMNS]
    lines = [head, ["---"] * 2 + ["---:"] * len(COLUMNS)]
    lines += [[row.title, FAMILIES[row.family], *row.cells()] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def plot(data_set: DataSet, judged: Judged, detector: str, path: Path) -> None:
    """Draw the score of one stream over time, with its anomalies and alerts."""
    begin = max(0, int(np.argmax(judged.labels)) - _PLOT_WINDOWS // 2)
    shown = slice(begin, begin + _PLOT_WINDOWS)
    start = judged.end_seconds[0]
    at = judged.end_seconds[shown] - start
    figure, axes = plt.subplots(figsize=(10, 3.5), layout="constrained")
    axes.fill_between(
        at, 0, 1, where=judged.labels[shown] == 1, transform=axes.get_xaxis_transform(), color="tab:orange", alpha=0.25,
        step="mid", linewidth=0, label="labelled anomalous",
    )  # fmt: skip
    # no line where the recording has a gap
    gaps = np.flatnonzero(np.diff(at) > 1.5 * judged.window.stride * judged.sample_period_seconds) + 1
    score = np.insert(judged.score[shown], gaps, np.nan)
    axes.plot(np.insert(at, gaps, np.nan), score, linewidth=0.8, color="tab:blue", label="score")
    axes.axhline(1.0, color="black", linewidth=0.8, linestyle="--", label="threshold")
    for number, firing in enumerate(judged.firings):
        span = np.clip([firing.from_seconds - start, firing.until_seconds - start], at[0], at[-1])
        if span[1] > span[0]:
            axes.plot(span, [0.02, 0.02], transform=axes.get_xaxis_transform(), color="tab:red", linewidth=4,
                      label=None if number else "alert firing")  # fmt: skip
    axes.set(yscale="log", xlabel="seconds", ylabel="score", title=f"{data_set.title}: {judged.stream}, {detector}")
    figure.legend(loc="outside lower center", ncols=4, fontsize="small", frameon=False)
    figure.savefig(path, dpi=120)
    plt.close(figure)
