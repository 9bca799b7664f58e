"""A model as it judges the streams of a refit: each by the numbers that the daemon judges it by, as far as known."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from monitor.core.alerting.decision_rule import DecisionSettings
from monitor.core.artifact.manifest import Manifest
from monitor.core.scoring.normalize import Normalizer
from monitor.core.scoring.remembered_normals import LearntNormals
from trainer.artifact.export import Artifact
from trainer.calibration.alerts_at_threshold import ErrorSeries
from trainer.data.cutting import FileWindows, may_be_normal
from trainer.data.windows import Windows
from trainer.evaluation.evaluation import prepare_cut, score_cut


@dataclass(frozen=True, slots=True)
class StreamJudge:
    """An artifact, and what streams have learnt beside the numbers that it brings itself.

    A stream without either warms up on the first windows that it is shown; those are then withheld.
    """

    artifact: Artifact
    normals: Mapping[str, LearntNormals] = field(default_factory=dict)

    @property
    def manifest(self) -> Manifest:
        """What the artifact says of itself."""
        return self.artifact.manifest

    @property
    def rule(self) -> DecisionSettings:
        """When anomalous windows become an alert, as its threshold takes for granted."""
        promised = self.manifest.calibration.false_alarms
        return DecisionSettings() if promised is None else promised.judge

    def scores(self, piece: FileWindows) -> ErrorSeries:
        """Score / threshold of a stream's windows in order of time; NaN where withheld."""
        ends = piece.batch.end_seconds
        planned = self.manifest.window.stride * self.manifest.sample_period_seconds
        steps = np.diff(ends)
        # beats keep a pace of their own, and gaps are no time that was watched
        interval = float(np.median(steps)) if self.manifest.window.beat is not None and len(steps) else planned
        score = score_cut(self.artifact, piece, self.normals.items()).score
        return ErrorSeries(piece.file.content.name, ends, score, interval)

    def normal_windows(self, piece: FileWindows) -> Windows:
        """The windows that it judges with all their channels, with what normalizes them."""
        ready = prepare_cut(self.manifest, piece, self.normals.items())
        usable = ready.judged if ready.masked is None else ready.judged & ~ready.masked.any(axis=1)
        return Windows(ready.windows.values, ready.centre, ready.scale)[usable]


def warmed_up(manifest: Manifest, piece: FileWindows) -> LearntNormals | None:
    """What a stream that starts with these windows learns by its warm-up; None where that is nothing, or not done."""
    normalization = manifest.normalization
    if not normalization.learnt:
        return None
    normalizer = Normalizer(normalization, len(manifest.channels), manifest.window.length)
    batch = replace(piece.batch, stream=np.zeros(len(piece), np.int64))
    trusted = may_be_normal(batch, manifest.window, manifest.channels)
    if piece.labels is not None:
        trusted &= piece.labels == 0
    normalizer.parameters(batch, trusted)
    return normalizer.learnt(0)
