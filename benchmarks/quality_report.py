"""The page of the quality benchmark: tables and plots, all of it generated."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from benchmarks.quality_rows.protocol import Aim, Row
from benchmarks.quality_run import Detector, Outcome
from benchmarks.targets import Target

Outcomes = Mapping[tuple[str, str], Sequence[Outcome]]  # by row and detector, one per seed

COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00")  # Okabe & Ito (2008)
_COLUMNS: tuple[tuple[str, str, str], ...] = (
    ("AUC-ROC", "auc_roc", "{:.3f}"),
    ("AUC-PR", "auc_pr", "{:.3f}"),
    ("F1", "f1", "{:.3f}"),
    ("recall", "recall", "{:.3f}"),
    ("false-alarm rate", "false_alarm_rate", "{:.2%}"),
)
_ALERT_COLUMNS: tuple[tuple[str, str, str], ...] = (
    ("false alarms per day", "false_alarms_per_day", "{:.3g}"),
    ("false alarms", "false_alarms", "{:.3g}"),
    ("normal days", "normal_days", "{:.3g}"),
    ("anomalies", "events", "{:.0f}"),
    ("hit", "hit_share", "{:.0%}"),
    ("delay s", "delay_seconds", "{:.3g}"),
)
_INTRODUCTION = """\
How well are anomalies of public recordings found, and does the threshold keep its word? This page is written by

```
python benchmarks/quality.py --data ../shared/data              # goes on where it was stopped
python benchmarks/quality.py --data ../shared/data --quick      # a part of every row, about a minute
python benchmarks/quality.py --data ../shared/data --only skab  # one row
```

Computing took {hours:.2g} hours{quick}. Every model is fitted, exported, loaded again from the bytes of its artifact,
and scored by the code of `residuald-trainer evaluate`. Labels of what is scored are used for the figures and nothing
else, and no setting was chosen by them. Figures are means over seeds ± their standard deviation; where none is given,
nothing is random. F1, recall and false-alarm rate are at the deployed threshold, score 1. Nothing is point-adjusted.
"""
_ALERTS = """\
Where the recordings are streams: alerts as the daemon raises them, 2 of the last 3 windows. An alert is false when none
of the windows it rests on is anomalous. **Hit**: anomalies during which an alert was firing. **Delay**: the median from
the first anomalous sample to the alert."""
_WORST = 5  # recordings listed where an aim was missed


def page(rows: Sequence[Row], detectors: Sequence[Detector], outcomes: Outcomes, *, quick: bool) -> str:
    """Write the page as markdown."""
    ours = detectors[0]
    hours = sum(outcome.seconds for several in outcomes.values() for outcome in several) / 3600
    lines = [
        "# Detection quality",
        "",
        _INTRODUCTION.format(hours=hours, quick=" (a quick run: parts of the rows only)" if quick else ""),
        *(f"* **{detector.title}**: {detector.about}" for detector in detectors),
        "",
        "## Aims",
        "",
        "![AUC-ROC by row](quality-auc.svg)",
        "",
        _table(
            ["data", "aim", "reached", "met", "published"],
            [
                [
                    row.title,
                    _aim_text(aim),
                    _spread(outcomes.get((row.name, ours.name), ()), aim.figure, "{:.3f}"),
                    _met(outcomes.get((row.name, ours.name), ()), aim),
                    row.published,
                ]
                for row in rows
                for aim in row.aims
            ],
        ),
        "## By item",
        "",
        "An item is what the protocol counts: a window, a beat or a sample.",
        "",
        _by_detector(rows, detectors, outcomes, _COLUMNS),
        "## By alert",
        "",
        _ALERTS,
        "",
        _by_detector([row for row in rows if row.timed], detectors, outcomes, _ALERT_COLUMNS),
        "## Protocols",
        "",
        *(f"* **{row.title}** (`--only {row.name}`): {row.protocol}." for row in rows),
        "",
        "## What misses its aim",
        "",
        *_misses(rows, ours, outcomes),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _by_detector(
    rows: Sequence[Row], detectors: Sequence[Detector], outcomes: Outcomes, columns: Sequence[tuple[str, str, str]]
) -> str:
    lines = [
        [
            row.title,
            detector.title,
            *(_spread(outcomes[row.name, detector.name], key, style) for _, key, style in columns),
        ]
        for row in rows
        for detector in detectors
        if (row.name, detector.name) in outcomes
    ]
    return _table(["data", "model", *(title for title, _, _ in columns)], lines)


def _misses(rows: Sequence[Row], ours: Detector, outcomes: Outcomes) -> list[str]:
    lines = []
    for row in rows:
        several = outcomes.get((row.name, ours.name), ())
        missed = [aim for aim in row.aims if several and _met(several, aim) != "yes"]
        if not missed:
            continue
        lines += [f"### {row.title}", ""]
        if row.analysis:
            lines += [row.analysis, ""]
        streams = several[0].streams
        if len(streams) > 1:
            worst = sorted(streams.items(), key=lambda item: _or(item[1].get("auc_roc"), 1.0))[:_WORST]
            cells = [[name, *(_one(figures.get(key), style) for _, key, style in _COLUMNS)] for name, figures in worst]
            lines += [
                f"The recordings with the lowest AUC, seed {several[0].seed}:",
                "",
                _table(["recording", *(title for title, _, _ in _COLUMNS)], cells),
            ]
        if several[0].unfit:
            lines += [f"* {name} could not be fitted: {reason}" for name, reason in several[0].unfit.items()] + [""]
    return lines or ["Nothing."]


def targets_of(rows: Sequence[Row], ours: Detector, outcomes: Outcomes) -> list[Target]:
    """What was aimed at and what was reached, the mean over seeds; a figure that is not defined counts as missed."""
    targets = []
    for row in rows:
        several = outcomes.get((row.name, ours.name), ())
        for aim in row.aims if several else ():
            reached = mean_of(several, aim.figure)
            make = Target.at_most if aim.at_most else Target.at_least
            worst = 1e9 if aim.at_most else -1.0
            targets.append(
                make(f"{row.title}: {aim.figure}", aim.value, worst if reached is None else reached, aim.unit)
            )
    return targets


def mean_of(outcomes: Sequence[Outcome], figure: str) -> float | None:
    """A figure's mean over seeds; None where it is not defined for one of them."""
    values = [value for outcome in outcomes if (value := outcome.figures.get(figure)) is not None]
    return float(np.mean(values)) if values and len(values) == len(outcomes) else None


def plot_auc(rows: Sequence[Row], detectors: Sequence[Detector], outcomes: Outcomes, path: Path) -> None:
    """Draw the AUC-ROC of each row and detector, with the aim."""
    figure = Figure(figsize=(8, 0.42 * len(rows) + 1.2), layout="constrained")
    axes = figure.subplots()
    for number, detector in enumerate(detectors):
        for at, row in enumerate(rows):
            values = _values(outcomes.get((row.name, detector.name), ()), "auc_roc")
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


def _values(outcomes: Sequence[Outcome], figure: str) -> list[float]:
    return [value for outcome in outcomes if (value := outcome.figures.get(figure)) is not None]


def _spread(outcomes: Sequence[Outcome], figure: str, style: str) -> str:
    values = _values(outcomes, figure)
    if not values or len(values) < len(outcomes):
        return "-"
    mean = style.format(float(np.mean(values)))
    return mean if len(values) == 1 else f"{mean} ± {style.format(float(np.std(values)))}"


def _met(outcomes: Sequence[Outcome], aim: Aim) -> str:
    if not outcomes:
        return "not run"
    reached = mean_of(outcomes, aim.figure)
    return (
        "yes" if reached is not None and (reached <= aim.value if aim.at_most else reached >= aim.value) else "**no**"
    )


def _aim_text(aim: Aim) -> str:
    return f"{aim.figure} {'≤' if aim.at_most else '≥'} {aim.value:.3g}"


def _one(value: float | None, style: str) -> str:
    return "-" if value is None else style.format(value)


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rule = ["---" if number < 2 else "---:" for number in range(len(head))]
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, rule, *lines]) + "\n"
