"""The corpus of a refit: recent normal data of each stream, and at least a third from what the anchor learnt from."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from monitor.core.artifact.manifest import DataRange, Manifest
from monitor.core.scoring.remembered_normals import LearntNormals
from trainer.data.corpus import Corpus
from trainer.data.cutting import FileWindows
from trainer.data.split import Part
from trainer.data.window_pool import MIN_WINDOWS, WindowPool
from trainer.refit.anchor_share import AnchorShare
from trainer.refit.stream_normals import as_stream_normals, learnt_of_streams
from trainer.refit.stream_share import Quota, StreamShare
from trainer.settings import FitSettings

# Of the windows that train, so many are the anchor's where its data were kept: what was normal once is not forgotten.
ANCHOR_SHARE = 1 / 3

_VALIDATION = 0.25  # of the windows that train, so many validate at most
_CALIBRATION = 5  # times as many as may train calibrate: they are scored, not learnt, and a tail takes many


def quota_of(streams: int, max_windows: int, anchor_train: int) -> Quota:
    """What each of so many streams may give, so that the anchor's data keep their share.

    anchor_train: how many windows of the anchor can train; none: it has no share.
    """
    train = max_windows
    if anchor_train:
        train = int(min((1 - ANCHOR_SHARE) * max_windows, anchor_train * (1 / ANCHOR_SHARE - 1)))
    each = max(1, train // max(1, streams))
    return Quota(each, max(1, int(_VALIDATION * each)), max(1, _CALIBRATION * max_windows // max(1, streams)))


def refit_corpus(
    recent: Sequence[StreamShare],
    anchor: Sequence[AnchorShare],
    manifest: Manifest,
    settings: FitSettings,
    max_windows: int,
    learnt_before: Mapping[str, LearntNormals],
    outdated: Collection[str] = (),
) -> Corpus:
    """Put both together; the anchor's recordings warm up by themselves.

    manifest: of the model in use; the numbers that it brings of streams are carried on where recent data bring no
    better ones, but for streams whose numbers are outdated. learnt_before: what the daemon judges streams by that give
    too little for numbers of their own.

    Raises:
        DataError: a part has too few windows.

    """
    anchor = _thinned(recent, anchor, max_windows)
    shares: list[StreamShare | AnchorShare] = [*recent, *anchor]
    parts = [share.part.copy() for share in shares]
    unreasoned = [np.full(len(share.part), "", "<U32") for share in shares]
    pool = WindowPool(
        manifest.channels,
        manifest.window,
        manifest.sample_period_seconds,
        settings,
        [_numbered(share.windows, number) for number, share in enumerate(shares)],
        unreasoned,
        [each.copy() for each in unreasoned],
    )
    normalization = pool.find_normalization(parts)
    train = {share.name: share.windows.batch.select(share.part == Part.TRAIN) for share in recent}
    learnt = learnt_of_streams({name: batch.values for name, batch in train.items()}, normalization)
    until = {name: float(train[name].end_seconds.max()) for name in learnt}
    if normalization.learns_like(manifest.normalization) and manifest.normalization.of_streams is not None:
        for name, until_seconds, centre, scale in manifest.normalization.of_streams.each():
            if name not in learnt and name not in outdated:
                learnt[name], until[name] = LearntNormals(centre, scale), until_seconds
    normalization = normalization.model_copy(update={"of_streams": as_stream_normals(learnt, until)})
    known = {**learnt_before, **learnt}
    numbers = {number: known[share.name] for number, share in enumerate(recent) if share.name in known}
    corpus = replace(pool, learnt=numbers).corpus(parts, MIN_WINDOWS, normalization)
    return replace(corpus, ranges=tuple(map(_whole_range, corpus.ranges, shares)))


def _thinned(recent: Sequence[StreamShare], anchor: Sequence[AnchorShare], max_windows: int) -> list[AnchorShare]:
    """The anchor's recordings with what recent data leave room for, alike from each, and at least their share."""
    taken = sum(share.of_part(Part.TRAIN) for share in recent)
    room = max(max_windows - taken, int(ANCHOR_SHARE * max_windows))
    each = max(1, room // max(1, len(anchor)))
    return [share.at_most(each, max(1, int(_VALIDATION * each))) for share in anchor]


def _numbered(windows: FileWindows, number: int) -> FileWindows:
    """The windows of a file as those of this number among the files of the fit."""
    stream = np.full(len(windows), number, np.int64)
    return replace(windows, batch=replace(windows.batch, stream=stream))


def _whole_range(found: DataRange, share: StreamShare | AnchorShare) -> DataRange:
    """What a range says of the windows that are used, with all that were looked at."""
    left_out = dict(found.excluded)
    for reason, count in share.left_out.items():
        left_out[reason] = left_out.get(reason, 0) + count
    changed: dict[str, object] = {"windows": share.looked_at, "excluded": left_out}
    if isinstance(share, StreamShare) and found.end_seconds is not None:
        changed["end_seconds"] = max(share.until_seconds, found.end_seconds)
    return found.model_copy(update=changed)
