"""The part of the report that explains a choice: every candidate in a table, and what it finds in a plot."""

import numpy as np
from matplotlib.figure import Figure

from trainer.report.page_parts import Html, heading, paragraph, picture, table, text
from trainer.selection.selection import BEYOND_NOISE, MOST_INFLATION, Choice, Trial
from trainer.selection.synthetic import KINDS

_ABOUT = (
    "Chosen without labels: by how well normal windows that no candidate had seen are told from the same windows with "
    "a synthetic anomaly (AUC-ROC, 0.5 is guessing). They came from before the calibration windows. A model replaces "
    f"PCA only when it leads by {BEYOND_NOISE:g} standard errors. It is out when its errors on normal windows drift: "
    "when one half of them exceeds the level that 5 % of the other half exceed more than "
    f"{MOST_INFLATION:g} times as often (“drift”)."
)


def choice_section(choice: Choice) -> str:
    """Explain a choice, as HTML."""
    return "\n".join(
        [
            heading("Choice"),
            paragraph(Html(f"<strong>{text(choice.reason)}</strong>")),
            paragraph(_ABOUT),
            table(_titles(), (cells(trial, choice) for trial in choice.trials)),
            picture(_plot(choice), "AUC by candidate and kind of anomaly"),
        ]
    )


def _titles() -> tuple[str, ...]:
    return ("", "model", "AUC", *KINDS, "drift", "parameters", "seconds")


def cells(trial: Trial, choice: Choice) -> list[str]:
    """One candidate's line."""
    mark = "✓" if trial is choice.chosen else ""
    if trial.skipped:
        return [mark, trial.candidate.name, trial.skipped, *[""] * len(KINDS), "", "", f"{trial.seconds:.1f}"]
    by_kind = [f"{value:.3f}" for value in trial.places.mean(axis=1)]
    drift = f"{trial.inflation:.1f}-fold{'' if trial.stable else ' (unstable)'}"
    head = [mark, trial.candidate.name, f"{trial.auc:.3f}", *by_kind]
    return [*head, drift, f"{trial.parameters:,}", f"{trial.seconds:.1f}"]


def _plot(choice: Choice) -> Figure:
    """AUC of every candidate, by kind of anomaly and as their mean."""
    tried = [trial for trial in choice.trials if not trial.skipped]
    figure = Figure(figsize=(8, 0.36 * len(tried) + 1.4), layout="constrained")
    axes = figure.subplots()
    height = np.arange(len(tried))
    for kind, name in enumerate(KINDS):
        axes.plot([trial.places[kind].mean() for trial in tried], height, "o", markersize=4, alpha=0.7, label=name)
    axes.plot([trial.auc for trial in tried], height, "k|", markersize=14, markeredgewidth=2, label="mean")
    names = [f"{trial.candidate.name}{' ✓' if trial is choice.chosen else ''}" for trial in tried]
    axes.set_yticks(height, names, fontsize=9)
    axes.invert_yaxis()
    axes.set(xlabel="AUC-ROC against injected anomalies", xlim=(None, 1.01))
    axes.axvline(0.5, color="0.6", linewidth=0.8)
    figure.legend(fontsize=8, ncols=len(KINDS) + 1, loc="outside lower center", frameon=False)
    return figure
