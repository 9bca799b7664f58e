"""A refit of one model: from its history to a fitted candidate, with all that it is judged by. It writes nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from monitor.config.refit import RefitConfig
from monitor.core.artifact.manifest import Manifest
from monitor.core.artifact.used_label import UsedLabel
from monitor.core.history.label import Label
from monitor.readers.history import History
from trainer.artifact.export import Artifact
from trainer.data.corpus import Corpus
from trainer.data.split import Part
from trainer.errors import DataError, WaitsForPersonError
from trainer.fitting.fit import FitResult, Lineage, fit
from trainer.refit.anchor import Anchor
from trainer.refit.anchor_data import stream_of
from trainer.refit.anchor_share import AnchorShare, anchor_shares
from trainer.refit.enough import why_no_threshold, why_not_yet
from trainer.refit.label_bounds import LabelUse, label_problem
from trainer.refit.refit_corpus import quota_of, refit_corpus
from trainer.refit.selection import Said
from trainer.refit.settings_of_refit import settings_of_refit
from trainer.refit.sorter import HistoryShares, Sorter
from trainer.refit.unlearn import bad_by_stream, learnt_from, without_bad
from trainer.settings import FitSettings
from trainer.training.loop import OnEpoch

MOST_USED_LABELS = 1000  # that a manifest lists, the newest

OnStage = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Subject:
    """A model to refit.

    name: what the history calls it. champion: the artifact in use, sha256 of its file. onnx: whether it has a model for
    ONNX Runtime beside it.
    """

    name: str
    champion: Artifact
    sha256: str
    onnx: bool
    anchor: Anchor


@dataclass(frozen=True, slots=True)
class NothingToDo:
    """Why a model was not refitted. shares: what there is; None where nobody looked."""

    reason: str
    shares: HistoryShares | None = None


@dataclass(frozen=True, slots=True)
class Refitted:
    """A model that was fitted anew.

    anchor: what it is held to, without what people call bad. unlearnt: labels that came too late for the model in use.
    notes: what a person must know.
    """

    fitted: FitResult
    corpus: Corpus
    shares: HistoryShares
    settings: FitSettings
    anchor: Anchor
    unlearnt: tuple[Label, ...]
    notes: tuple[str, ...]


def refit(
    subject: Subject,
    history: History,
    config: RefitConfig,
    now: datetime,
    on_stage: OnStage = lambda stage: None,
    on_epoch: OnEpoch = lambda done, train, validation: None,
) -> Refitted | NothingToDo:
    """Refit a model to what was normal since it was fitted, if there is enough of it, or if it learnt what is bad.

    now: UTC, becomes part of the version.

    Raises:
        RecordingError: the history cannot be read.
        TrainerError: the fit failed, or a person must look at the labels first.

    """
    manifest, kept = subject.champion.manifest, subject.anchor.data
    settings = settings_of_refit(manifest, None if kept is None else kept.settings, onnx=subject.onnx)
    streams = [summary.name for summary in history.streams(subject.name)]
    labels = [label for label in history.labels() if label.stream in set(streams) | _streams_of(manifest)]
    unlearnt = learnt_from(manifest, labels)
    on_stage("reading the anchor")
    anchor = without_bad(subject.anchor, labels, now, on_epoch)
    since_seconds = seen_until(manifest, streams)
    sorter = Sorter(manifest, anchor, config, settings.split, since_seconds)
    of_anchor = _anchor_shares(anchor, sorter, labels, calibrates=False)
    quota = quota_of(len(streams), config.max_windows, sum(share.of_part(Part.TRAIN) for share in of_anchor))
    shares = sorter.shares(history, subject.name, quota, lambda name: on_stage(f"reading {name}"))
    _require_sane_labels(labels, shares, manifest, config)
    missing = why_not_yet(shares.shares, since_seconds, manifest, settings.calibration, config)
    if missing is not None and not unlearnt:
        return NothingToDo(missing, shares)
    notes = [] if of_anchor else ["no data of the anchor were kept: this rests on recent data alone"]
    if why_no_threshold(shares.shares, manifest, settings.calibration) is not None:
        notes.append("the newest data carry no threshold: it follows from the last part of the anchor's data")
        of_anchor = _anchor_shares(anchor, sorter, labels, calibrates=True)
    on_stage("putting the windows together")
    used = [share for share in shares.shares if len(share.part)]
    learnt = {name: own for judge in shares.anchors.values() for name, own in judge.normals.items()}
    # their numbers rest on what is called bad, or on what was before a change that a person accepted
    outdated = {label.stream for label in unlearnt} | shares.pending.keys()
    try:
        corpus = refit_corpus(used, of_anchor, manifest, settings, config.max_windows, learnt, outdated)
    except DataError as error:
        if unlearnt:
            raise
        return NothingToDo(str(error), shares)
    on_stage("fitting")
    lineage = Lineage(manifest.parent_of_refits(subject.sha256), _used(labels))
    fitted = fit(corpus, settings, manifest.model, now, on_epoch, lineage)
    return Refitted(fitted, corpus, shares, settings, anchor, tuple(unlearnt), tuple(notes))


def seen_until(manifest: Manifest, streams: Sequence[str]) -> float:
    """Up to where a model has seen its streams (epoch): where its data of them end, or else when it was made."""
    ends = [
        data.end_seconds
        for data in manifest.provenance.data
        if data.end_seconds is not None and stream_of(data.name) in streams
    ]
    return max(ends, default=datetime.fromisoformat(manifest.provenance.created).timestamp())


def _streams_of(manifest: Manifest) -> set[str]:
    return {stream_of(data.name) for data in manifest.provenance.data}


def _anchor_shares(anchor: Anchor, sorter: Sorter, labels: Sequence[Label], *, calibrates: bool) -> list[AnchorShare]:
    if anchor.data is None:
        return []
    accepted = {stream for stream in {label.stream for label in labels} if _is_accepted(stream, labels)}
    return anchor_shares(
        anchor.data.files,
        sorter.manifest,
        sorter.split,
        sorter.gap_seconds,
        bad_by_stream(labels),
        accepted | anchor.of_streams.keys(),
        calibrates=calibrates,
    )


def _is_accepted(stream: str, labels: Sequence[Label]) -> bool:
    return Said((), [label for label in labels if label.stream == stream]).accepted is not None


def _require_sane_labels(
    labels: Sequence[Label], shares: HistoryShares, manifest: Manifest, config: RefitConfig
) -> None:
    each = shares.shares
    use = LabelUse(
        looked_at=sum(share.looked_at for share in each),
        taken=sum(share.taken_windows for share in each),
        brought_back=sum(share.brought_back for share in each),
        left_out=sum(share.left_out.get(why, 0) for share in each for why in ("bad", "maintenance", "confirmed")),
    )
    created = datetime.fromisoformat(manifest.provenance.created).timestamp()
    interval_seconds = manifest.window.stride * manifest.sample_period_seconds
    problem = label_problem(labels, created, use, config.max_labels, config.max_label_share, interval_seconds)
    if problem is not None:
        raise WaitsForPersonError(problem)


def _used(labels: Sequence[Label]) -> tuple[UsedLabel, ...]:
    newest = sorted(labels, key=lambda label: label.at_seconds)[-MOST_USED_LABELS:]
    return tuple(
        UsedLabel(
            stream=label.stream,
            from_seconds=label.from_seconds,
            to_seconds=None if label.is_open else label.to_seconds,
            kind=label.kind,
            who=label.who,
            at_seconds=label.at_seconds,
            source=label.source,
            id=label.id,
        )
        for label in newest
    )
