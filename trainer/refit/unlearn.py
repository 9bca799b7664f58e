"""Unlearning: what people call bad after a model learnt from it is taken out of the model, and of its anchor."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from monitor.core.artifact.manifest import Manifest
from monitor.core.history.label import Label
from trainer.artifact.export import load_artifact
from trainer.data.gathering import gather
from trainer.data.published_alerts import Alerted
from trainer.fitting.fit import fit
from trainer.refit.anchor import Anchor
from trainer.refit.anchor_data import stream_of
from trainer.training.loop import OnEpoch


def learnt_from(manifest: Manifest, labels: Sequence[Label]) -> list[Label]:
    """Which labels say of data that a model was fitted to that they are bad, and came too late for it."""
    known = {label.id for label in manifest.provenance.labels if label.id is not None}
    return [label for label in labels if label.kind == "bad" and label.id not in known and _overlaps(manifest, label)]


def bad_by_stream(labels: Sequence[Label]) -> dict[str, list[Label]]:
    """What people call bad, by stream."""
    bad: dict[str, list[Label]] = {}
    for label in labels:
        if label.kind == "bad":
            bad.setdefault(label.stream, []).append(label)
    return bad


def without_bad(anchor: Anchor, labels: Sequence[Label], created: datetime, on_epoch: OnEpoch) -> Anchor:
    """The anchor fitted anew without what people call bad; as it is where it learnt from none, or its data are gone.

    Raises:
        TrainerError: what is left is too little, or the fit failed.

    """
    bad = learnt_from(anchor.artifact.manifest, labels)
    if anchor.data is None or not bad:
        return anchor
    left_out = [Alerted(label.stream, label.from_seconds, label.to_seconds) for label in bad]
    corpus = gather(list(anchor.data.files), anchor.data.settings, left_out)
    fitted = fit(corpus, anchor.data.settings, anchor.artifact.manifest.model, created, on_epoch)
    return replace(anchor, artifact=load_artifact(fitted.manifest.version, fitted.artifact))


def _overlaps(manifest: Manifest, label: Label) -> bool:
    return any(
        data.start_seconds is not None
        and data.end_seconds is not None
        and stream_of(data.name) == label.stream
        and label.overlaps(data.start_seconds, data.end_seconds)
        for data in manifest.provenance.data
    )
