"""Choosing a model without labels: by the synthetic anomalies it finds in normal data that it has not seen.

The end of each recording, which calibrates the threshold later, takes no part. Of what is before it the last part is
the *block*: its windows, as they are, against the same windows with an injected anomaly
(`trainer.selection.synthetic`). A candidate's figure is its AUC-ROC there, the mean over the kinds of anomaly.

Two rules keep chance from choosing. The error of a difference between two candidates comes from stretches of the block,
since neighbouring windows tell nearly the same. A model replaces PCA only when it is better than the best PCA by twice
that error; of those within one error of the best one, the smallest is taken (Breiman et al., "Classification and
Regression Trees", 1984). And a candidate whose errors on normal windows differ much from one half of the block to the
other is unstable and out: no threshold would suit it for long.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.core.dataset.recording import WindowSet
from trainer.data.corpus import Corpus
from trainer.data.cutting import DataFile
from trainer.data.gathering import gather
from trainer.data.split import Part
from trainer.data.windows import Windows
from trainer.errors import DataError, SettingsError, TrainingError
from trainer.fitting.fit import fit
from trainer.selection.candidates import Candidate
from trainer.selection.renormalizing import renormalized
from trainer.selection.synthetic import KINDS, inject
from trainer.settings import FitSettings

STRETCHES = 10  # of the block: each counts as one independent observation
BEYOND_NOISE = 2.0  # times the standard error: about 95 %
MOST_BLOCK_WINDOWS = 2000

# With a level that 5 % of the normal windows in one half of the block exceed, half of those in the other half would.
# Recordings and days differ, so twice or three times as many are common.
MOST_INFLATION = 10.0
INFLATION_LEVEL = 0.95

Place = NDArray[np.float64]
OnStep = Callable[[Candidate, int, float], None]  # candidate, epochs done, its validation loss


@dataclass(frozen=True, slots=True)
class Trial:
    """One candidate, tried.

    places: float64 [kinds, N], for each injected window which share of the normal ones has a smaller error (its mean is
    the AUC-ROC). inflation: how many times as often one half of the block's normal windows exceeds the level
    that 5 % of the other half exceed. skipped: why it was not tried to the end; then the rest means nothing.
    """

    candidate: Candidate
    places: Place
    inflation: float
    parameters: int
    seconds: float
    skipped: str = ""

    @property
    def auc(self) -> float:
        """AUC-ROC, the mean over kinds."""
        return float(self.places.mean())

    @property
    def stable(self) -> bool:
        """Whether its errors on normal windows are alike throughout the block."""
        return self.inflation <= MOST_INFLATION

    def lead(self, other: "Trial") -> tuple[float, float]:
        """By how much its AUC is above that of `other`, and the standard error of that."""
        differences = (self.places - other.places).mean(axis=0)
        stretches = [stretch.mean() for stretch in np.array_split(differences, min(STRETCHES, len(differences)))]
        error = float(np.std(stretches, ddof=1) / np.sqrt(len(stretches))) if len(stretches) > 1 else np.inf
        return float(differences.mean()), error


@dataclass(frozen=True, slots=True)
class Choice:
    """Which candidate is taken, out of which trials, and why, as a sentence."""

    chosen: Trial
    trials: tuple[Trial, ...]
    reason: str


class _OutOfTimeError(Exception):
    pass


def select(
    files: Sequence[DataFile],
    settings_of: Callable[[dict[str, Any]], FitSettings],
    candidates: Sequence[Candidate],
    budget_seconds: float,
    on_step: OnStep,
) -> Choice:
    """Try candidates in turn until the budget is spent, and choose one.

    settings_of: makes fit settings of a candidate's own. The first candidate is tried whatever it takes.

    Raises:
        DataError: there is too little data to fit and to hold anything out, or nothing could be fitted.

    """
    began = time.monotonic()
    base = settings_of(candidates[0].settings)
    # candidates are compared on what none of them was fitted to
    apart = base.model_copy(update={"split": base.split.model_copy(update={"cross_fit": False})})
    corpus = gather([_beginning(file, base.split.calibration) for file in files], apart)
    block = _thinned(corpus.parts[Part.CALIBRATION])
    injected = [_injected(kind, block, corpus, base.seed) for kind in KINDS]
    trials: list[Trial] = []
    for candidate in candidates:
        deadline = began + budget_seconds if trials else np.inf
        trials.append(_try(candidate, settings_of, corpus, block, injected, deadline, on_step))
    return choose(trials)


def choose(trials: Sequence[Trial]) -> Choice:
    """Choose by the rules above.

    Raises:
        DataError: no candidate could be fitted.

    """
    tried = [trial for trial in trials if not trial.skipped]
    if not tried:
        raise DataError("no model could be fitted: " + "; ".join(f"{t.candidate.name}: {t.skipped}" for t in trials))
    able = [trial for trial in tried if trial.stable] or tried
    best = max(able, key=lambda trial: trial.auc)
    linear = max((trial for trial in able if trial.candidate.linear), key=lambda trial: trial.auc, default=None)
    if linear is not None and not best.candidate.linear:
        lead, error = best.lead(linear)
        rival = linear.candidate.name
        said = f"{best.candidate.name} has an AUC of {best.auc:.3f}, {lead:+.3f} ± {error:.3f} against {rival}"
        if lead <= BEYOND_NOISE * error:
            return Choice(linear, tuple(trials), f"{said}: within the noise, so the linear model is kept.")
        rivals = [trial for trial in able if not trial.candidate.linear]
    else:
        said = f"{best.candidate.name} has the highest AUC, {best.auc:.3f}"
        rivals = [trial for trial in able if trial.candidate.linear == best.candidate.linear]
    close = [trial for trial in rivals if trial is best or _within_one_error(best, trial)]
    smallest = min(close, key=lambda trial: trial.parameters)
    if smallest is best:
        return Choice(best, tuple(trials), f"{said}.")
    return Choice(
        smallest, tuple(trials), f"{said}; {smallest.candidate.name} is within its error and the smallest of those."
    )


def _within_one_error(best: Trial, trial: Trial) -> bool:
    lead, error = best.lead(trial)
    return lead <= error


def _try(
    candidate: Candidate,
    settings_of: Callable[[dict[str, Any]], FitSettings],
    corpus: Corpus,
    block: Windows,
    injected: Sequence[Windows],
    deadline: float,
    on_step: OnStep,
) -> Trial:
    began = time.monotonic()

    def skipped(why: str) -> Trial:
        return Trial(candidate, np.zeros((len(KINDS), 0)), np.inf, 0, time.monotonic() - began, why)

    def on_epoch(done: int, _train: float, validation: float) -> None:
        on_step(candidate, done, validation)
        if time.monotonic() > deadline:
            raise _OutOfTimeError

    if began > deadline:
        return skipped("the time was up")
    on_step(candidate, 0, np.nan)
    try:
        fitted = fit(corpus, settings_of(candidate.settings), "candidate", datetime.now(UTC), on_epoch)
    except _OutOfTimeError:
        return skipped("the time was up while it was being fitted")
    except (SettingsError, TrainingError, DataError) as error:
        return skipped(" ".join(str(error).split()))
    normal, _ = fitted.scorer.errors(block)
    order = np.sort(normal)
    places = np.stack([_place(order, fitted.scorer.errors(windows)[0]) for windows in injected])
    return Trial(candidate, places, _inflation(normal), fitted.manifest.parameters, time.monotonic() - began)


def _inflation(normal: NDArray[np.float32]) -> float:
    first, second = np.array_split(normal, 2)
    pairs = ((first, second), (second, first))
    shares = [float(np.mean(other > np.quantile(one, INFLATION_LEVEL))) for one, other in pairs]
    return max(shares) / (1 - INFLATION_LEVEL)


def _place(order: NDArray[np.float32], errors: NDArray[np.float32]) -> Place:
    """Which share of the normal errors (ascending) each error exceeds; ties count half."""
    below, up_to = np.searchsorted(order, errors, "left"), np.searchsorted(order, errors, "right")
    return np.asarray((below + up_to) / (2 * len(order)), np.float64)


def _beginning(file: DataFile, left_out: float) -> DataFile:
    """A recording without its last part, which calibrates the threshold later."""
    content = file.content
    if isinstance(content, WindowSet):
        keep = slice(round(len(content.windows) * (1 - left_out)))
        labels = None if content.labels is None else content.labels[keep]
        return replace(file, content=replace(content, windows=content.windows[keep], labels=labels))
    keep = slice(round(len(content.samples) * (1 - left_out)))
    return replace(
        file,
        content=replace(
            content,
            samples=content.samples[keep],
            time_seconds=content.time_seconds[keep],
            labels=None if content.labels is None else content.labels[keep],
            segment=content.segment[keep],
        ),
    )


def _thinned(windows: Windows) -> Windows:
    """As many windows as the comparison needs, evenly over the block."""
    every = -(-len(windows) // MOST_BLOCK_WINDOWS)
    return windows[np.arange(0, len(windows), every)]


def _injected(kind: str, block: Windows, corpus: Corpus, seed: int) -> Windows:
    """The block's windows with an anomaly in one of their measured channels."""
    measured = sum(not channel.derived for channel in corpus.channels)  # the derived ones come last
    deviation = corpus.parts[Part.TRAIN].values[:, :measured].std(axis=2).mean(axis=0)
    values = block.values.copy()
    values[:, :measured] = inject(values[:, :measured], deviation, kind, seed)
    return renormalized(values, block, corpus.normalization)
