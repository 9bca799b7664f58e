"""One model under each mask in turn: false alarms among healthy windows, and faults found in other channels."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.masking.fleet import Fleet, run_of, with_fault, without
from monitor.core.artifact.calibration import DAY_SECONDS, Calibration
from monitor.core.artifact.masking_spec import MaskingSpec
from monitor.core.dataset.recording import Recording
from monitor.core.scoring.masking import StandIn
from trainer.artifact.export import Artifact
from trainer.calibration.calibrate import calibrate
from trainer.data.corpus import Corpus
from trainer.data.cutting import DataFile
from trainer.data.gathering import gather
from trainer.data.split import Part
from trainer.evaluation.alerts import alert_figures
from trainer.evaluation.evaluation import Scored, score_file
from trainer.fitting.fit import FitResult, fit
from trainer.fitting.masking import HeldOut, fit_masking
from trainer.settings import load_settings

CREATED = datetime(2026, 1, 1, tzinfo=UTC)
# So that some false alarms come within minutes. Whoever runs motors asks for fewer.
ASKED_SHARE = 0.01
RULES: dict[str, dict[str, Any]] = {
    "quantile": {"calibration.rule": "quantile", "calibration.setting": 1 - ASKED_SHARE},
    "budget": {"calibration.rule": "budget", "calibration.false_alarms": "20 per 1h"},
}
# Enough for models that tell faults of these motors; what is asked here are thresholds, not the best of models.
_EPOCHS = {"dense": 20, "conv": 8}
FAULT, MILD_FAULT = 4.0, 1.5
FAULTY_RUNS = 2


@dataclass(frozen=True, slots=True)
class Cell:
    """One motor judged without one channel (None: with all).

    asked, seen: false alarms, by rule `quantile` windows, by rule `budget` alerts. plain: as many as would have come by
    a threshold without caution, which allows what was asked for to all windows of this mask together. faults: how many
    of FAULT times there were, some in each other channel; missed: in which channels of them no alert was raised.
    windows, mild_windows: the share of windows above the threshold while a fault of FAULT or MILD_FAULT times lasts.
    """

    seed: int
    family: str
    rule: str
    masked: str | None
    motor: int
    asked: float
    seen: int
    plain: int
    faults: int
    missed: tuple[str, ...]
    windows: float
    mild_windows: float


def judge(fleet: Fleet, family: str) -> Iterator[Cell]:
    """Fit one model to the fleet, and judge each motor's later runs under each mask, by each rule."""
    chosen = {"model.family": family, "seed": fleet.seed, "split.cross_fit": False}
    if family in _EPOCHS:
        chosen["training.max_epochs"] = _EPOCHS[family]
    settings = load_settings(None, chosen)
    corpus = gather([_file(recording) for recording in fleet.fitted], settings)
    result = fit(corpus, settings, "motor", CREATED, lambda *_: None)
    artifact = Artifact(result.manifest, result.scorer)
    thresholds = {rule: Thresholds.calibrate(result, corpus, rule) for rule in RULES}
    channels = result.manifest.measured_names
    for motor, recording in enumerate(fleet.later, start=1):
        broken = [run_of(recording, number) for number in range(FAULTY_RUNS)]
        for masked in (None, *range(len(channels))):
            others = [channel for channel in range(len(channels)) if channel != masked]
            faults = [(channel, run) for channel in others for run in broken]
            healthy = _score(artifact, without(recording, masked))
            gross, mild = (
                [_score(artifact, without(with_fault(run, channel, times), masked)) for channel, run in faults]
                for times in (FAULT, MILD_FAULT)
            )
            for rule, found in thresholds.items():
                by_rule = partial(_by_threshold, found.of(masked))
                asked, seen = _false_alarms(found.calibration, by_rule(healthy))
                by_plain = partial(_by_threshold, found.plain[masked])
                hit = [bool(alert_figures([by_rule(one)], found.calibration).alerts) for one in gross]
                yield Cell(
                    seed=fleet.seed,
                    family=family,
                    rule=rule,
                    masked=None if masked is None else channels[masked],
                    motor=motor,
                    asked=asked,
                    seen=seen,
                    plain=_false_alarms(found.calibration, by_plain(healthy))[1],
                    faults=len(faults),
                    missed=tuple(channels[channel] for (channel, _), one in zip(faults, hit, strict=True) if not one),
                    windows=_above([by_rule(one) for one in gross]),
                    mild_windows=_above([by_rule(one) for one in mild]),
                )


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What `fit` gives by one rule, for the same model.

    masking: with thresholds of masks. plain: by masked channel (None: none is), without caution.
    """

    threshold: float
    calibration: Calibration
    masking: MaskingSpec
    plain: dict[int | None, float]

    @classmethod
    def calibrate(cls, result: FitResult, corpus: Corpus, rule: str) -> "Thresholds":
        """Calibrate the model that was fitted by another rule."""
        settings = load_settings(None, RULES[rule]).calibration
        series = partial(corpus.series, Part.CALIBRATION)
        whole = calibrate(series(result.errors["calibration"]), settings)
        held_out = HeldOut(result.scorer, corpus.parts[Part.CALIBRATION])
        maskable = [True] * len(result.manifest.measured_names)
        masking = fit_masking(corpus.parts[Part.TRAIN], [held_out], series, settings, maskable, own=False)
        assert masking is not None
        plain: dict[int | None, float] = {None: whole.threshold}
        for channel in range(len(maskable)):
            error = held_out.errors_without(StandIn.of(masking), [channel])
            plain[channel] = calibrate(series(error), settings).threshold
        return cls(whole.threshold, whole.calibration, masking, plain)

    def of(self, masked: int | None) -> float:
        """The threshold while this channel is masked."""
        threshold = self.threshold if masked is None else self.masking.threshold[masked]
        assert threshold is not None
        return threshold


def _file(recording: Recording) -> DataFile:
    return DataFile(recording.name, hashlib.sha256(recording.name.encode()).hexdigest(), recording)


def _score(artifact: Artifact, recording: Recording) -> Scored:
    return score_file(artifact, _file(recording))


def _by_threshold(threshold: float, scored: Scored) -> Scored:
    return replace(scored, score=scored.error / np.float32(threshold))


def _false_alarms(calibration: Calibration, healthy: Scored) -> tuple[float, int]:
    """How many were asked for in a healthy recording, and how many came."""
    promised = calibration.false_alarms
    if promised is None:
        score = _judged([healthy])
        return len(score) * ASKED_SHARE, int((score > 1).sum())
    figures = alert_figures([healthy], calibration)
    return promised.asked_per_day * figures.normal_seconds / DAY_SECONDS, figures.false_alarms


def _above(several: Sequence[Scored]) -> float:
    """The share of judged windows above the threshold."""
    return float(np.mean(_judged(several) > 1))


def _judged(several: Sequence[Scored]) -> NDArray[np.float32]:
    """The scores of the windows that were judged: float32 [N]."""
    return np.concatenate([one.score[one.withheld == ""] for one in several])
