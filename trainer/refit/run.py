"""A refit of a model's folder: reads what is in use and its history, fits, judges, and lays down a candidate."""

import hashlib
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from monitor.config.refit import RefitConfig
from monitor.core.artifact.model_folder_names import ARTIFACT_SUFFIX, ONNX_SUFFIX
from monitor.core.artifact.proposal import Proposal
from monitor.core.dataset.recording import RecordingError
from monitor.readers.history import History
from trainer.artifact.export import Artifact, load_artifact
from trainer.artifact.folder import champion_in, propose, read_artifact
from trainer.artifact.refit_key import difference_from_parent, onnx_difference_from_parent
from trainer.errors import ArtifactError, DataError, WaitsForPersonError
from trainer.fitting.fit import FitResult
from trainer.refit.anchor import Anchor
from trainer.refit.day_cap import DAY_SECONDS
from trainer.refit.judgement import Judgement, judge_refit
from trainer.refit.refit import NothingToDo, OnStage, Subject, refit
from trainer.refit.refit_lock import refit_locked
from trainer.refit.waiting import newest_refit, still_stands
from trainer.training.loop import OnEpoch

Render = Callable[[Judgement, Artifact, Proposal], str]


@dataclass(frozen=True, slots=True)
class Errand:
    """Which model is refitted from what. model: what the history calls it. key: signs what is written."""

    folder: Path
    model: str
    history: Path
    config: RefitConfig
    key: Ed25519PrivateKey | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it.

    result: `nothing` was to do; the candidate is `promotable` by itself, or `waits` for a person. reasons: why nothing
    was to do, or what keeps the candidate. version: of the candidate, path: where it lies; None: there is none, or
    none was written. judgement: None where nothing was fitted. unsigned: why what was written is not signed.
    """

    model: str
    result: Literal["nothing", "promotable", "waits"]
    reasons: tuple[str, ...] = ()
    version: str | None = None
    path: Path | None = None
    judgement: Judgement | None = None
    unsigned: str | None = None


def run_errand(
    errand: Errand,
    now: datetime,
    render: Render,
    on_stage: OnStage = lambda stage: None,
    on_epoch: OnEpoch = lambda done, train, validation: None,
) -> Outcome:
    """Refit one model, if there is a reason to. now: UTC. render: makes the candidate's report, as HTML.

    Raises:
        TrainerError: the model or its history cannot be used, the fit failed, or nothing can be written.

    """
    _require_model(errand.folder)
    with nullcontext() if errand.dry_run else refit_locked(errand.folder):
        try:
            with History.open(errand.history) as history:
                return _with_history(errand, history, now, render, on_stage, on_epoch)
        except RecordingError as error:
            raise DataError(str(error)) from None


def read_subject(folder: Path, model: str) -> Subject:
    """Read what is in use in a model's folder, with its anchor. model: what the history calls it.

    Raises:
        ArtifactError: there is none, or it cannot be used.

    """
    version = _require_model(folder)
    source, data = read_artifact(folder)
    sha256 = hashlib.sha256(data).hexdigest()
    onnx = (folder / f"{version}{ONNX_SUFFIX}").exists()
    return Subject(model, load_artifact(source, data), sha256, onnx, Anchor.load(folder))


def _require_model(folder: Path) -> str:
    version = champion_in(folder)
    if version is None:
        raise ArtifactError(f"{folder} has no model in use: make the first one with `residuald-trainer fit`")
    return version


def _with_history(
    errand: Errand, history: History, now: datetime, render: Render, on_stage: OnStage, on_epoch: OnEpoch
) -> Outcome:
    on_stage("reading the model in use")
    subject = read_subject(errand.folder, errand.model)
    before = newest_refit(errand.folder, subject.champion.manifest.version)
    least_seconds = errand.config.least_days * DAY_SECONDS
    if before is not None and still_stands(before, history.labels(), now.timestamp(), least_seconds):
        return _of(errand.model, before, None)
    try:
        made = refit(subject, history, errand.config, now, on_stage, on_epoch)
    except WaitsForPersonError as error:
        return Outcome(errand.model, "waits", (str(error),))
    if isinstance(made, NothingToDo):
        return Outcome(errand.model, "nothing", (made.reason,))
    on_stage("judging")
    judgement = judge_refit(subject, made, history, errand.config)
    proposal = judgement.proposal(subject, hashlib.sha256(made.fitted.artifact).hexdigest())
    if errand.dry_run:
        return _of(errand.model, proposal, judgement)
    on_stage("drawing the report")
    report = render(judgement, subject.champion, proposal)
    unsigned = "there is no key" if errand.key is None else _why_refused(errand.folder, made.fitted)
    key = errand.key if unsigned is None else None
    path = propose(errand.folder, proposal, made.fitted.artifact, report, made.fitted.onnx, key)
    return replace(_of(errand.model, proposal, judgement, path), unsigned=unsigned)


def _why_refused(folder: Path, fitted: FitResult) -> str | None:
    """Why a daemon would refuse this refit by the signature of a refit key; None: it would not."""
    parent = fitted.manifest.provenance.parent
    if parent is None:
        return "it has no parent"
    try:
        _, data = read_artifact(folder / f"{parent.version}{ARTIFACT_SUFFIX}")
        difference = difference_from_parent(data, fitted.artifact)
        if difference is None and fitted.onnx is not None:
            _, data = read_artifact(folder / f"{parent.version}{ONNX_SUFFIX}")
            difference = onnx_difference_from_parent(data, fitted.onnx)
    except ArtifactError as error:
        return f"its parent cannot be read: {error}"
    if difference is None:
        return None
    return f"a refit key signs new numbers alone, and compared with {parent.version} {difference}"


def _of(model: str, proposal: Proposal, judgement: Judgement | None, path: Path | None = None) -> Outcome:
    reasons = tuple(check.text for check in proposal.failed)
    result: Literal["promotable", "waits"] = "promotable" if proposal.promotable else "waits"
    return Outcome(model, result, reasons, proposal.version, path, judgement)
