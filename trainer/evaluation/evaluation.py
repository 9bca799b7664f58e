"""Evaluation: an artifact against data files, through the same cutter, normalizer and module as the daemon."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from monitor.core.artifact.manifest import Manifest
from monitor.core.scoring.channel_limits import ChannelLimits
from monitor.core.scoring.masking import Masking
from monitor.core.scoring.normalize import Normalizer
from monitor.core.scoring.preparation import PreparedBatch, prepare_windows
from monitor.core.scoring.quality import QUALITIES, assess_windows, is_trusted
from monitor.core.scoring.remembered_normals import LearntNormals
from trainer.artifact.export import Artifact
from trainer.data.cutting import DataFile, FileWindows, cut
from trainer.data.windows import Windows
from trainer.evaluation.metrics import Detection, auc_pr, auc_roc


@dataclass(frozen=True, slots=True)
class Scored:
    """The windows of one file with their errors; NaN where withheld.

    error, score: float32 [N]; channel_error: float32 [N, C], NaN where masked, too; withheld: why, as a text [N], empty
    where scored.
    """

    cut: FileWindows
    error: NDArray[np.float32]
    score: NDArray[np.float32]
    channel_error: NDArray[np.float32]
    withheld: NDArray[np.str_]


@dataclass(frozen=True, slots=True)
class Labelled:
    """Figures that need labels. What a missing class or an empty denominator leaves undefined is None."""

    normal: int
    anomalous: int
    auc_roc: float | None
    auc_pr: float | None
    f1: float | None
    precision: float | None
    recall: float | None
    false_alarm_rate: float | None


@dataclass(frozen=True, slots=True)
class ChannelFigures:
    """One channel's own error as a detector.

    leads: in which fraction of the alarms (of the right ones, where there are labels) this channel's error is largest.
    """

    name: str
    auc_roc: float | None
    auc_pr: float | None
    leads: float | None


@dataclass(frozen=True, slots=True)
class Figures:
    """What came out over some files. alarm_rate: alarms / scored windows; labelled: None without any label."""

    windows: int
    withheld: dict[str, int]
    alarms: int
    alarm_rate: float | None
    labelled: Labelled | None
    channels: tuple[ChannelFigures, ...]


def score_file(artifact: Artifact, file: DataFile) -> Scored:
    """Score all windows of a file that can be trusted.

    Raises:
        DataError: the file does not fit the model.

    """
    manifest = artifact.manifest
    return score_cut(artifact, cut(file, 0, manifest.channel_names, manifest.window, manifest.sample_period_seconds))


def score_cut(artifact: Artifact, piece: FileWindows, normals: Iterable[tuple[str, LearntNormals]] = ()) -> Scored:
    """Score windows of one stream that can be trusted; arguments as for `prepare_cut`."""
    ready = prepare_cut(artifact.manifest, piece, normals)
    trusted, usable = is_trusted(ready.quality), ready.judged
    withheld = np.where(trusted, "warming_up", np.array(QUALITIES, dtype="<U32")[ready.quality])
    withheld[usable] = ""
    error = np.full(len(piece), np.nan, np.float32)
    channel_error = np.full((len(piece), len(artifact.manifest.channels)), np.nan, np.float32)
    windows = Windows(ready.windows.values, ready.centre, ready.scale)
    error[usable], channel_error[usable] = artifact.scorer.errors(windows[usable])
    threshold = Masking(artifact.manifest).judge_without(ready.masked, error, channel_error)
    threshold *= np.float32(artifact.manifest.calibration.stream_factors.get(piece.file.content.name, 1.0))
    return Scored(piece, error, error / threshold, channel_error, withheld)


def prepare_cut(
    manifest: Manifest, piece: FileWindows, normals: Iterable[tuple[str, LearntNormals]] = ()
) -> PreparedBatch:
    """Make windows of one stream ready to score, as the daemon would.

    normals: what streams have learnt already; where the artifact brings numbers of a stream, those come first. A stream
    without either warms up.
    """
    normalizer = Normalizer(manifest.normalization, len(manifest.channels), manifest.window.length)
    normalizer.inherit(normals)
    normalizer.open_stream(piece.file.content.name, 0)
    limits = ChannelLimits.of(manifest.channels, manifest.normalization.scale_floor)
    batch = replace(piece.batch, stream=np.zeros(len(piece), np.int64))
    quality = assess_windows(batch, manifest.window, max_skew_seconds=math.inf)
    return prepare_windows(batch, quality, manifest.window, limits, Masking(manifest), normalizer)


def figures(scored: list[Scored], channels: tuple[str, ...]) -> Figures:
    """Put the windows of several files together; files without labels count for the alarm rate only."""
    withheld = np.concatenate([piece.withheld for piece in scored])
    usable = withheld == ""
    score = np.concatenate([piece.score for piece in scored])[usable]
    channel_error = np.concatenate([piece.channel_error for piece in scored])[usable]
    labels = np.concatenate([_labels(piece) for piece in scored])[usable]
    alarms = score > 1
    known = labels >= 0
    return Figures(
        windows=len(withheld),
        withheld=dict(Counter(withheld[~usable].tolist())),
        alarms=int(alarms.sum()),
        alarm_rate=float(alarms.mean()) if len(alarms) else None,
        labelled=_labelled(score[known], labels[known], alarms[known]) if known.any() else None,
        channels=tuple(_channels(channels, channel_error, labels, alarms)),
    )


def _labels(piece: Scored) -> NDArray[np.int8]:
    """Labels, -1 where unknown."""
    unknown = np.full(len(piece.cut), -1, np.int8)
    return unknown if piece.cut.labels is None else piece.cut.labels


def _labelled(score: NDArray[np.float32], labels: NDArray[np.int8], alarms: NDArray[np.bool_]) -> Labelled:
    detection = Detection.of(alarms, labels)
    return Labelled(
        normal=int(np.sum(labels == 0)),
        anomalous=int(np.sum(labels == 1)),
        auc_roc=auc_roc(score, labels),
        auc_pr=auc_pr(score, labels),
        f1=detection.f1,
        precision=detection.precision,
        recall=detection.recall,
        false_alarm_rate=detection.false_alarm_rate,
    )


def _channels(
    names: tuple[str, ...],
    channel_error: NDArray[np.float32],
    labels: NDArray[np.int8],
    alarms: NDArray[np.bool_],
) -> Iterator[ChannelFigures]:
    known = labels >= 0
    right = alarms & (labels == 1) if known.any() else alarms
    leader = np.nanargmax(channel_error[right], axis=1)
    for index, name in enumerate(names):
        measured = known & ~np.isnan(channel_error[:, index])
        own, label = channel_error[measured, index], labels[measured]
        yield ChannelFigures(
            name=name,
            auc_roc=auc_roc(own, label),
            auc_pr=auc_pr(own, label),
            leads=float(np.mean(leader == index)) if len(leader) else None,
        )
