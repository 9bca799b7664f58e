"""A fit from parsed files to artifact bytes: gather, train, compile, calibrate, describe. Nothing is written here."""

import hashlib
import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from monitor import __version__
from monitor.core.artifact.array import Array
from monitor.core.artifact.manifest import SCHEMA_VERSION, Golden, Manifest, Parent, Provenance, ScoreSpec
from monitor.core.artifact.used_label import UsedLabel
from monitor.core.values.names import is_name
from trainer.artifact.export import CompiledScorer, WindowScorer, golden_deviation, load_artifact
from trainer.calibration.calibrate import Calibrated, calibrate
from trainer.calibration.stream_factors import stream_factors
from trainer.data.corpus import Corpus
from trainer.data.split import Part
from trainer.data.windows import Windows
from trainer.error.error_definition import fit_error_definition
from trainer.error.rhythm_error import fit_rhythm_error
from trainer.errors import ArtifactError
from trainer.evaluation.metrics import auc_pr, auc_roc
from trainer.fitting.masking import HeldOut, fit_masking
from trainer.fitting.robust import RobustFit, fit_robustly
from trainer.models.autoencoder import Autoencoder
from trainer.registry import FAMILIES
from trainer.representations import features_of, fit_representation
from trainer.representations.measured import Measured
from trainer.representations.representation import Representation
from trainer.settings import FitSettings
from trainer.training.loop import History, OnEpoch

GOLDEN_WINDOWS = 8


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where a refit comes from: whose settings and code it has, and what people had said of its data."""

    parent: Parent | None = None
    labels: tuple[UsedLabel, ...] = ()


FITTED_ANEW = Lineage()


@dataclass(frozen=True, slots=True)
class FitResult:
    """What a fit leaves behind.

    onnx: the same model for ONNX Runtime, if it was asked for. errors: float32 [N] per part, keyed by the part's name,
    and for labelled anomalies.
    """

    manifest: Manifest
    artifact: bytes
    onnx: bytes | None
    scorer: CompiledScorer
    history: History
    errors: dict[str, NDArray[np.float32]]
    calibrated: Calibrated
    robust: RobustFit

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person must know before trusting the model."""
        return self.calibrated.notes if self.robust.note is None else (self.robust.note, *self.calibrated.notes)


def fit(
    corpus: Corpus,
    settings: FitSettings,
    name: str,
    created: datetime,
    on_epoch: OnEpoch,
    lineage: Lineage = FITTED_ANEW,
) -> FitResult:
    """Fit a model called `name`. `created` is UTC and becomes part of the version.

    Raises:
        TrainingError: the optimization failed.
        ArtifactError: the artifact, loaded back, does not compute what the fitted model computed.

    """
    torch.set_num_threads(settings.training.threads)
    measured = len(corpus.channels) - len(corpus.window.derived)
    representation, represented = fit_representation(
        settings.decided_representation,
        corpus.normalization,
        corpus.parts[Part.TRAIN].first_channels(measured),
        corpus.sample_period_seconds,
    )
    if corpus.window.derived:
        representation = Measured(representation, measured)
    learnt = _learn(corpus, representation, settings, on_epoch)
    robust = learnt.robust
    model, history = robust.model, robust.history
    corpus, module = learnt.corpus, learnt.module
    scorer = CompiledScorer.compile(module)
    errors = {part.name.lower(): scorer.errors(windows)[0] for part, windows in corpus.parts.items()}
    held_out = [HeldOut(scorer, corpus.parts[Part.CALIBRATION])]
    if corpus.folds:
        held_out = _fit_folds(corpus.folds, representation, settings, on_epoch)
        errors["calibration"] = np.concatenate([each.scorer.errors(each.windows)[0] for each in held_out])
    calibrated = calibrate(corpus.series(Part.CALIBRATION, errors["calibration"]), settings.calibration)
    if lineage.parent is not None:  # of a first fit the recordings need not be streams; the anchor's are none either
        series = [one for one in corpus.series(Part.CALIBRATION, errors["calibration"]) if is_name(one.name)]
        factors = stream_factors(series, calibrated.threshold, settings.calibration)
        calibration = calibrated.calibration.model_copy(update={"stream_factors": factors})
        calibrated = replace(calibrated, calibration=calibration)
    masking = fit_masking(
        corpus.parts[Part.TRAIN],
        held_out,
        partial(corpus.series, Part.CALIBRATION),
        settings.calibration,
        # beats are found in the first channel: without it nothing tells where the windows lie
        [channel > 0 or corpus.window.beat is None for channel in range(measured)],
        own=corpus.normalization.kind == "window",
    )
    if len(corpus.anomalous):
        errors["anomalous"] = scorer.errors(corpus.anomalous)[0]
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        model=name,
        version=_version(created, module, corpus),
        channels=corpus.channels,
        sample_period_seconds=corpus.sample_period_seconds,
        window=corpus.window,
        normalization=corpus.normalization,
        representation=represented.kind,
        representation_settings=represented.model_dump(mode="json", exclude={"kind"}, exclude_none=True),
        score=ScoreSpec(**settings.score.model_dump()),
        family=settings.model.family,
        settings=model.describe(),
        training=settings.training.model_dump(mode="json", exclude_defaults=True),
        parameters=model.count_numbers(),
        threshold=calibrated.threshold,
        calibration=calibrated.calibration,
        masking=masking,
        golden=_golden(corpus.parts[Part.CALIBRATION], scorer),
        provenance=_provenance(corpus, settings, created, lineage),
        evaluation=_held_out_figures(errors, calibrated.threshold),
    )
    artifact = scorer.to_bytes(manifest)
    loaded = load_artifact(manifest.version, artifact)
    deviation = golden_deviation(loaded)
    if not deviation <= manifest.golden.tolerance:  # a NaN must not pass
        raise ArtifactError(f"the exported model differs from the fitted one by {deviation:.2g} of the threshold")
    onnx = None
    if settings.export.onnx:
        from trainer.artifact.export_onnx import to_onnx  # noqa: PLC0415 - an extra

        onnx = to_onnx(module, manifest, artifact)
    return FitResult(manifest, artifact, onnx, loaded.scorer, history, errors, calibrated, robust)


@dataclass(frozen=True, slots=True)
class _Learnt:
    """A fitted model with its error definition, and the corpus without what did not belong."""

    module: WindowScorer
    robust: RobustFit
    corpus: Corpus


def _learn(corpus: Corpus, representation: Representation, settings: FitSettings, on_epoch: OnEpoch) -> _Learnt:
    """Fit to the training and validation parts."""
    train, validation = (features_of(representation, corpus.parts[part]) for part in (Part.TRAIN, Part.VALIDATION))
    robust = fit_robustly(
        train, validation, settings.robust, partial(train_model, settings=settings, on_epoch=on_epoch)
    )
    model = robust.model
    in_train, in_validation = np.split(robust.kept, [len(train)])
    corpus = corpus.without({Part.TRAIN: ~in_train, Part.VALIDATION: ~in_validation}, "does_not_belong")
    train, validation = train[torch.from_numpy(in_train)], validation[torch.from_numpy(in_validation)]
    error_definition = fit_error_definition(model, representation, settings.score, train, validation)
    derived = len(corpus.window.derived)
    measured = len(corpus.channels) - derived
    rhythm = fit_rhythm_error(measured, model, error_definition, validation) if derived else None
    return _Learnt(WindowScorer(model, representation, error_definition, rhythm), robust, corpus)


def _fit_folds(
    folds: Sequence[Corpus], representation: Representation, settings: FitSettings, on_epoch: OnEpoch
) -> list[HeldOut]:
    """The calibration windows of each fold with a model that was fitted to the other folds only.

    Cross-conformal prediction (Vovk 2015; CV+: Barber et al., "Predictive inference with the jackknife+", 2021).
    """
    return [
        HeldOut(
            CompiledScorer.compile(_learn(fold, representation, settings, on_epoch).module),
            fold.parts[Part.CALIBRATION],
        )
        for fold in folds
    ]


def train_model(
    train: Tensor, validation: Tensor, settings: FitSettings, on_epoch: OnEpoch
) -> tuple[Autoencoder, History]:
    """Build and train the model that `settings` name. The seed decides weights and order.

    train: float32 [N, *shape]. validation: float32 [M, *shape], features of one window each.
    """
    family = FAMILIES[settings.model.family]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        model = family.build(settings.model, tuple(train.shape[1:]))
    history = family.fit(model, train, validation, settings.training, settings.seed, on_epoch)
    return model.eval(), history


def _version(created: datetime, module: WindowScorer, corpus: Corpus) -> str:
    """Name the version: the time to sort by, and a hash that tells apart what was made in the same second."""
    digest = hashlib.sha256()
    for tensor in module.state_dict().values():
        digest.update(tensor.numpy().tobytes())
    for data in corpus.ranges:
        digest.update(data.sha256.encode())
    return f"{created:%Y%m%dT%H%M%SZ}-{digest.hexdigest()[:8]}"


def _golden(windows: Windows, scorer: CompiledScorer) -> Golden:
    """Calibration windows from the smallest error to the largest, with their errors."""
    error, channel_error = scorer.errors(windows)
    ranks = np.linspace(0, len(windows) - 1, min(GOLDEN_WINDOWS, len(windows))).round().astype(np.int64)
    chosen = np.argsort(error, kind="stable")[ranks]
    return Golden(
        windows=Array.of(windows.values[chosen]),
        centre=Array.of(windows.centre[chosen]),
        scale=Array.of(windows.scale[chosen]),
        error=Array.of(error[chosen]),
        channel_error=Array.of(channel_error[chosen]),
    )


def _provenance(corpus: Corpus, settings: FitSettings, created: datetime, lineage: Lineage) -> Provenance:
    return Provenance(
        created=created.isoformat(timespec="seconds"),
        code_version=__version__,
        torch_version=torch.__version__,
        python_version=platform.python_version(),
        seed=settings.seed,
        data=corpus.ranges,
        train_windows=len(corpus.parts[Part.TRAIN]),
        validation_windows=len(corpus.parts[Part.VALIDATION]),
        calibration_windows=len(corpus.parts[Part.CALIBRATION]),
        calibration_folds=max(1, len(corpus.folds)),
        parent=lineage.parent,
        labels=lineage.labels,
    )


def _held_out_figures(errors: dict[str, NDArray[np.float32]], threshold: float) -> dict[str, float]:
    """Labelled anomalies against the calibration part. No F1: the threshold was set on these very normal windows."""
    if "anomalous" not in errors:
        return {}
    normal, anomalous = errors["calibration"], errors["anomalous"]
    scores = np.concatenate([normal, anomalous])
    labels = np.repeat(np.array([0, 1], np.int8), [len(normal), len(anomalous)])
    figures = {
        "auc_roc": auc_roc(scores, labels),
        "auc_pr": auc_pr(scores, labels),
        "recall": float(np.mean(anomalous > threshold)),
        "anomalous_windows": float(len(anomalous)),
    }
    return {key: value for key, value in figures.items() if value is not None}
