"""The part of the report on windows that the fit left out because they do not belong: a plot, and each of them."""

import numpy as np
from matplotlib.figure import Figure

from trainer.data.corpus import Corpus
from trainer.data.split import Part
from trainer.fitting.robust import RobustFit
from trainer.report.page_parts import Html, heading, paragraph, picture, table

_ABOUT = Html(
    "Windows of the training and validation parts whose error is far beyond that of the rest: they neither taught the "
    "model nor decided when to stop. Look at a few of them; label what is an anomaly, and set <code>robust.trim = 0"
    "</code> if they are normal after all."
)


def trimming_section(corpus: Corpus, robust: RobustFit) -> str:
    """List the windows left out, as HTML; empty if there are none. `corpus` still holds them."""
    if robust.note is None:
        return ""
    return "\n".join(
        [
            heading("Windows that do not belong"),
            paragraph(_ABOUT),
            picture(trimming_figure(corpus, robust), "Error of each window in each round"),
            table(("recording", "end (s)", "part", "times the cut", "found"), trimmed_windows(corpus, robust)),
        ]
    )


def trimmed_windows(corpus: Corpus, robust: RobustFit) -> list[tuple[str, str, str, str, str]]:
    """Recording, time, part, error over cut and reason of each window left out, in the order of the corpus."""
    lines = []
    for number, one in enumerate(robust.rounds):
        reason = "far from the median window" if number == 0 else f"not reconstructed, round {number}"
        for row in np.flatnonzero(one.trimmed).tolist():
            part, at = _place(corpus, row)
            origin = corpus.origins[part]
            recording = corpus.ranges[int(origin.file[at])].name
            times = f"{one.error[row] / one.cut:.3g}"
            lines.append((row, (recording, f"{origin.end_seconds[at]:.10g}", part.name.lower(), times, reason)))
    return [line for _, line in sorted(lines)]


def trimming_figure(corpus: Corpus, robust: RobustFit) -> Figure:
    """Error over cut of each window, one row per round, recordings one after another."""
    figure = Figure(figsize=(8, 1.6 * len(robust.rounds) + 0.6), layout="constrained")
    rows = figure.subplots(len(robust.rounds), 1, squeeze=False, sharex=True)[:, 0]
    validation = len(corpus.parts[Part.TRAIN])
    files = np.concatenate([corpus.origins[part].file for part in (Part.TRAIN, Part.VALIDATION)])
    for number, (axes, one) in enumerate(zip(rows, robust.rounds, strict=True)):
        gone = np.logical_or.reduce([earlier.trimmed for earlier in robust.rounds[:number]] or [np.zeros(1, np.bool_)])
        score = one.error / np.float32(one.cut)
        there = np.flatnonzero(~(gone | one.trimmed))
        trimmed = np.flatnonzero(one.trimmed)
        axes.plot(there, score[there], ".", markersize=2, color="#0072B2", label="kept")
        axes.plot(trimmed, score[trimmed], "x", markersize=5, color="#D55E00", label="left out")
        axes.axhline(1.0, color="#000000", linestyle="--", linewidth=1, label="cut")
        for start in np.flatnonzero(np.diff(files)) + 1:
            axes.axvline(start - 0.5, color="#888888", linewidth=0.4)
        axes.axvline(validation - 0.5, color="#000000", linewidth=0.8)
        axes.set(yscale="log", ylabel="median" if number == 0 else f"round {number}")
    rows[0].legend(fontsize=8, loc="upper right")
    rows[-1].set_xlabel("window: training, then validation; recordings one after another")
    return figure


def _place(corpus: Corpus, row: int) -> tuple[Part, int]:
    train = len(corpus.parts[Part.TRAIN])
    return (Part.TRAIN, row) if row < train else (Part.VALIDATION, row - train)
