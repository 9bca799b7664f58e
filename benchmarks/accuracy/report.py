"""The page of the quality benchmark: tables and plots, all of it generated."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from benchmarks.accuracy.live_row import Live
from benchmarks.accuracy.rows.protocol import Aim, Row
from benchmarks.accuracy.run import Detector, Outcome
from benchmarks.accuracy.seeds import Outcomes, mean_of, seen_interval, values_of
from benchmarks.common.targets import Target

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
python -m benchmarks.quality --data ../shared/data              # goes on where it was stopped
python -m benchmarks.quality --data ../shared/data --quick      # a part of every row, about a minute
python -m benchmarks.quality --data ../shared/data --only skab  # one row
```

Computing took {hours:.2g} hours{quick}. Every model is fitted, exported, loaded again from the bytes of its artifact,
and scored by the code of `residuald-trainer evaluate`. Labels of what is scored make figures and nothing else. No
setting differs between data sets but what a protocol dictates and whether it is an ECG or a motor; yet the defaults
grew with these recordings in sight, so expect somewhat less of others. Figures are means over seeds ± their standard
deviation; where none is given, all seeds came to the same, or only one was run. F1, recall and false-alarm rate are at
the deployed threshold, score 1. Nothing is point-adjusted.
"""
_ALERTS = """\
Where the recordings are streams: alerts as the daemon raises them, 2 of the last 3 windows. An alert is false when none
of the windows it rests on is anomalous. **Hit**: anomalies during which an alert was firing. **Delay**: the median from
the first anomalous sample to the alert. Around beats a window is a beat: an abnormal one alone raises no alert, by
design."""
_BUDGETS = """\
A budget of false alarms is asked for: one an hour, or one a week on the slow series of NAB. A threshold follows from
held-out normal data, and the artifact says what is to be expected of it: where the data are too few for the budget,
more than was asked for. *Seen* is what came on recordings that had no part in it, with the 95 % interval of a Poisson
rate. All per stream and day."""
_LIVE = """\
The fan once more, seed 0: fitted by `residuald-trainer fit`, {samples:,} samples published to Mosquitto, and judged by
`residuald run`. A figure that differs makes the run void."""
_WORST = 5  # recordings listed where an aim was missed


def page(
    rows: Sequence[Row], detectors: Sequence[Detector], outcomes: Outcomes, live: Live | None, *, quick: bool
) -> str:
    """Write the page as markdown. live: the row that was also streamed, if it was."""
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
        *_choices(rows, outcomes),
        "## By alert",
        "",
        _ALERTS,
        "",
        _by_detector([row for row in rows if row.timed], detectors, outcomes, _ALERT_COLUMNS),
        "## Does the threshold keep its word?",
        "",
        _BUDGETS,
        "",
        "![False alarms asked for, promised and seen](quality-budget.svg)",
        "",
        _budgets(rows, ours, outcomes),
        *([] if live is None else _live(live)),
        "## Protocols",
        "",
        *(f"* **{row.title}** (`--only {row.name}`): {row.protocol}." for row in rows),
        "",
        "## What misses its aim, and what else to know",
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


def _choices(rows: Sequence[Row], outcomes: Outcomes) -> list[str]:
    lines = []
    for row in rows:
        taken = Counter(
            name for each in outcomes.get((row.name, "select"), ()) for name in each.chosen.values()
        ).most_common()
        if taken:
            lines.append([row.title, ", ".join(f"{name} ({count})" if count > 1 else name for name, count in taken)])
    return ["What `select` chose, and for how many models:", "", _table(["data", "chosen"], lines)] if lines else []


def _budgets(rows: Sequence[Row], ours: Detector, outcomes: Outcomes) -> str:
    lines = []
    for row in rows:
        several = outcomes.get((row.name, ours.name), ())
        if not row.timed or mean_of(several, "asked_per_day") is None:
            continue
        promised = " … ".join(_spread(several, f"{end}_per_day", "{:.3g}").split(" ")[0] for end in ("low", "high"))
        low, high = seen_interval(several)
        lines.append(
            [row.title, _spread(several, "asked_per_day", "{:.3g}").split(" ")[0],
             _spread(several, "expected_per_day", "{:.3g}"), promised,
             _spread(several, "false_alarms_per_day", "{:.3g}"), f"{low:.3g} … {high:.3g}",
             f"{mean_of(several, 'normal_days') or 0:.3g}"]
        )  # fmt: skip
    return _table(["data", "asked", "expected", "95 %", "seen", "95 %", "normal days seen"], lines)


def _live(live: Live) -> list[str]:
    names = list(live.offline)
    lines = [
        [where, *("-" if figures[name] is None else f"{figures[name]:.6g}" for name in names)]
        for where, figures in (("offline", live.offline), ("daemon", live.live))
    ]
    return [
        "## Through the broker",
        "",
        _LIVE.format(samples=live.samples),
        "",
        _table(["", *names], lines),
    ]


def _misses(rows: Sequence[Row], ours: Detector, outcomes: Outcomes) -> list[str]:
    lines = []
    for row in rows:
        several = outcomes.get((row.name, ours.name), ())
        missed = [aim for aim in row.aims if several and _met(several, aim) != "yes"]
        if not several or not (missed or row.analysis):
            continue
        lines += [f"### {row.title}", ""]
        if row.analysis:
            lines += [row.analysis, ""]
        streams = several[0].streams
        if missed and len(streams) > 1:
            worst = sorted(streams.items(), key=lambda item: item[1].get("auc_roc") or 1.0)[:_WORST]
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


def _spread(outcomes: Sequence[Outcome], figure: str, style: str) -> str:
    values = values_of(outcomes, figure)
    if not values or len(values) < len(outcomes):
        return "-"
    mean = style.format(float(np.mean(values)))
    return mean if len(set(values)) == 1 else f"{mean} ± {style.format(float(np.std(values)))}"


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


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rule = ["---" if number < 2 else "---:" for number in range(len(head))]
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, rule, *lines]) + "\n"
