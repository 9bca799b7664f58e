"""The report of a fit: one HTML file that needs nothing beside it."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from monitor.core.artifact.manifest import Manifest, ScoreSpec
from trainer.data.corpus import Corpus
from trainer.data.split import Part
from trainer.data.windows import Windows
from trainer.fitting.fit import FitResult
from trainer.report import plots
from trainer.report.calibration import false_alarm_section
from trainer.report.page_parts import Html, code, facts, heading, paragraph, picture, table, text
from trainer.report.trimming import trimming_section

STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; } td, th { padding: .2rem .8rem .2rem 0; text-align: left; vertical-align: top; }
th { font-weight: 600; } td.number { text-align: right; font-variant-numeric: tabular-nums; }
img { max-width: 100%; background: white; } p.warning { border-left: 4px solid #D55E00; padding-left: .8rem; }
code { overflow-wrap: anywhere; }
"""

ERRORS_NOTE = (
    "The threshold follows from the calibration windows, which neither fitted nor stopped the model. "
    "Anomalous windows are those labelled in the data; they only appear here."
)


_SEEN = "each feature in units of its normal deviation"


def render_report(corpus: Corpus, fitted: FitResult, choice: str = "") -> str:
    """Render the report: what was fitted to what, the loss, the error distribution, and what the model sees.

    choice: a section on why these settings, as HTML.
    """
    manifest = fitted.manifest
    name, version = text(manifest.model), text(manifest.version)
    body = [
        heading(Html(f"{name} <small>{version}</small>"), level=1),
        *(paragraph(note, kind="warning") for note in fitted.notes),
        facts(summary(manifest)),
        choice,
        heading("Loss"),
        paragraph(_stopping(fitted)),
        picture(plots.loss_curve(fitted.history), "Loss per epoch"),
        heading("Reconstruction errors"),
        paragraph(ERRORS_NOTE),
        picture(plots.error_distribution(fitted.errors, manifest.threshold), "Distribution of reconstruction errors"),
        false_alarm_section(fitted.calibrated),
        trimming_section(corpus, fitted.robust),
        heading("Reconstructions"),
        paragraph(_examples_note(manifest)),
        picture(_examples(corpus, fitted), "Best, typical and worst reconstructions"),
        heading("Data"),
        table(("file", "windows", "left out", "SHA-256"), _data_rows(manifest)),
        heading("Settings"),
        facts(how_it_was_made(manifest)),
    ]
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            f"<title>{name} {version}</title><style>{STYLE}</style></head><body>",
            *body,
            "</body></html>\n",
        ]
    )


def summary(manifest: Manifest) -> list[tuple[str, str]]:
    """List what a person asks first about an artifact, as label and text."""
    window, period, made = manifest.window, manifest.sample_period_seconds, manifest.provenance
    calibration = manifest.calibration
    lines = [
        ("family", f"{manifest.family}, {manifest.parameters:,} parameters"),
        ("channels", ", ".join(f"{c.name} ({c.unit})" if c.unit else c.name for c in manifest.channels)),
        (
            "window",
            f"{window.length} samples ({window.length * period:g} s) at {1 / period:g} Hz, "
            + ("around each beat" if window.beat else f"every {window.stride}"),
        ),
        ("normalization", manifest.normalization.kind),
        ("representation", _listed(manifest.representation, manifest.representation_settings)),
        ("error", _error(manifest.score)),
        ("threshold", f"{manifest.threshold:.6g} ({calibration.described})"),
        (
            "windows",
            f"{made.train_windows} train, {made.validation_windows} validation, {made.calibration_windows} calibration"
            + (f" (the same ones, in {made.calibration_folds} folds)" if made.calibration_folds > 1 else ""),
        ),
        ("made", f"{made.created} by residuald {made.code_version}, torch {made.torch_version}, seed {made.seed}"),
    ]
    if calibration.false_alarms is not None:
        lines.append(("false alarms", calibration.false_alarms.expectation))
    if manifest.masking is not None:
        thresholds = [threshold for threshold in manifest.masking.threshold if threshold is not None]
        lines.append(("while one channel is masked", f"threshold {min(thresholds):.4g} to {max(thresholds):.4g}"))
    if manifest.evaluation:
        figures = ", ".join(f"{name} {value:.4g}" for name, value in manifest.evaluation.items())
        lines.append(("labelled anomalies against calibration", figures))
    return lines


def how_it_was_made(manifest: Manifest) -> list[tuple[str, str]]:
    """List the settings of model and training, as dotted path and value."""
    sections = (("model", manifest.settings), ("training", manifest.training))
    return [(f"{name}.{key}", str(value)) for name, section in sections for key, value in section.items()]


def _listed(kind: str, options: dict[str, Any]) -> str:
    return ", ".join([kind, *(f"{name} {value}" for name, value in options.items())])


def _error(score: ScoreSpec) -> str:
    words = {
        "mean_square": "mean square of the residual",
        "variance": "mean square of the residual in units of each feature's normal deviation",
        "covariance": "mean square of the residual whitened by its normal covariance",
    }
    latent = f", and {score.latent_weight:g} x the distance from the normal codes" if score.latent_weight else ""
    width = score.smoothing_samples
    smoothed = f", smoothed by a Gaussian of {width:g} samples first" if width else ""
    return words[score.residual] + smoothed + latent


def _stopping(fitted: FitResult) -> str:
    epochs, best = len(fitted.history.train_loss), fitted.history.best_epoch + 1
    if epochs == 1:
        return "Solved in one step."
    return f"{epochs} epochs; the weights of epoch {best} had the lowest validation loss and were kept."


def _examples(corpus: Corpus, fitted: FitResult) -> Figure:
    calibration = corpus.parts[Part.CALIBRATION]
    order = np.argsort(fitted.errors["calibration"], kind="stable")
    chosen = order[[0, len(order) // 2, -1]]
    titles = [
        f"{word}, score {fitted.errors['calibration'][index] / fitted.manifest.threshold:.2f}"
        for word, index in zip(("best", "typical", "worst"), chosen, strict=True)
    ]
    windows = calibration[chosen]
    if len(corpus.anomalous):
        middle = np.argsort(fitted.errors["anomalous"], kind="stable")[len(corpus.anomalous) // 2]
        titles.append(f"typical anomaly, score {fitted.errors['anomalous'][middle] / fitted.manifest.threshold:.2f}")
        windows = Windows.join([windows, corpus.anomalous[np.array([middle])]])
    _, channel_error = fitted.scorer.errors(windows)
    # where there are too many channels for a page, show those that are reconstructed worst
    rows = np.sort(np.argsort(-channel_error.max(axis=0), kind="stable")[: plots.MAX_CHANNELS])
    reconstructed = fitted.scorer.reconstruct(windows)
    as_samples = reconstructed.shape == windows.values.shape
    seen = windows.values if as_samples else fitted.scorer.represent(windows)
    return plots.reconstructions(
        titles,
        seen[:, rows].reshape(len(windows), len(rows), -1),
        reconstructed[:, rows].reshape(len(windows), len(rows), -1),
        [corpus.channels[row].name for row in rows],
        corpus.sample_period_seconds if as_samples else None,
    )


def _examples_note(manifest: Manifest) -> str:
    seen = "in the units of the data" if manifest.representation == "raw" else f"as the model sees them, {_SEEN}"
    note = f"Calibration windows {seen}; the score is error / threshold"
    note += ", by a model that had not seen them." if manifest.provenance.calibration_folds > 1 else "."
    if len(manifest.channels) > plots.MAX_CHANNELS:
        note += f" Of {len(manifest.channels)} channels, the {plots.MAX_CHANNELS} with the largest errors."
    return note


def _data_rows(manifest: Manifest) -> list[tuple[str, int, str, str]]:
    return [
        (
            data.name,
            data.windows,
            ", ".join(f"{count} {reason}" for reason, count in data.excluded.items()) or "none",
            code(data.sha256),
        )
        for data in manifest.provenance.data
    ]
