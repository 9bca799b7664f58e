"""Gathering: data files become the corpus of a fit."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from monitor.core.artifact.manifest import ChannelSpec
from monitor.core.dataset.recording import Recording
from trainer.data.corpus import Corpus
from trainer.data.cutting import (
    DataFile,
    FileWindows,
    agree_on_channels,
    cut,
    plan_windows,
    reasons_to_distrust,
)
from trainer.data.published_alerts import Alerted, alerted
from trainer.data.split import split_by_time
from trainer.data.window_pool import MIN_WINDOWS, WindowPool
from trainer.errors import DataError
from trainer.settings import FitSettings

# So many windows are few: to fit to them takes seconds, and a quarter of them hardly shows a tail.
FEW_WINDOWS = 600


def gather(files: list[DataFile], settings: FitSettings, alerts: Sequence[Alerted] = ()) -> Corpus:
    """Cut, sort out, split and normalize.

    Windows that are labelled anomalous, share time with one of the `alerts`, hold a non-finite value or too few
    received samples never train, validate or calibrate. Normalization numbers come from the training part alone.

    Raises:
        DataError: the files do not agree with each other, or too few windows are left.

    """
    channels = agree_on_channels(files, settings.channel)
    spec, period = plan_windows(files, settings.window)
    names = tuple(channel.name for channel in channels)
    taken = [derived.name for derived in spec.derived if derived.name in names]
    if taken:
        raise DataError(f"a channel is named {taken[0]!r}, as one that beats bring: rename it")
    windows_by_file = [cut(file, number, names, spec, period) for number, file in enumerate(files)]
    channels = _with_rest((*channels, *spec.derived), windows_by_file)

    withheld = [reasons_to_distrust(piece.batch, spec, channels) for piece in windows_by_file]
    reasons = [with_labels(reason, piece.labels) for reason, piece in zip(withheld, windows_by_file, strict=True)]
    for reason, piece in zip(reasons, windows_by_file, strict=True):
        reason[(reason == "") & alerted(piece, alerts)] = "alerted"
    pool = WindowPool(channels, spec, period, settings, windows_by_file, withheld, reasons)
    # a window may begin with values held over from before it; the half sample absorbs rounding
    gap_seconds = (spec.max_gap_samples + 0.5) * period
    usable = [reason == "" for reason in reasons]
    cross_fit = settings.split.cross_fit
    if cross_fit is None:  # ready-made windows have no times: no drift to see, and no rate of alarms to keep
        timed = all(isinstance(file.content, Recording) for file in files)
        cross_fit = timed and sum(int(mask.sum()) for mask in usable) <= FEW_WINDOWS
    if cross_fit:
        try:
            return pool.cross_fitted(usable, gap_seconds)
        except DataError:
            if settings.split.cross_fit:
                raise
    return pool.corpus(
        [
            split_by_time(piece.start_seconds, piece.batch.end_seconds, mask, gap_seconds, settings.split)
            for piece, mask in zip(windows_by_file, usable, strict=True)
        ],
        MIN_WINDOWS,
    )


def _with_rest(channels: tuple[ChannelSpec, ...], windows_by_file: list[FileWindows]) -> tuple[ChannelSpec, ...]:
    """Learn which channels may stand still for a whole window, where the settings do not say: those that did."""
    rested = np.zeros(len(channels), np.bool_)
    for piece in windows_by_file:
        values = piece.batch.values if piece.labels is None else piece.batch.values[piece.labels == 0]
        rested |= (values.min(axis=2) == values.max(axis=2)).any(axis=0)
    return tuple(
        spec if "may_rest" in spec.model_fields_set else spec.model_copy(update={"may_rest": bool(rest)})
        for spec, rest in zip(channels, rested, strict=True)
    )


def with_labels(withheld: NDArray[np.str_], labels: NDArray[np.int8] | None) -> NDArray[np.str_]:
    """Say of windows [N] that are labelled anomalous that they are; others keep their reason to be withheld.

    withheld: str [N]. labels: int8 [N], 1 = anomalous; None: there are none.
    """
    if labels is None:
        return withheld.copy()
    return np.where((withheld == "") & (labels == 1), "labelled_anomalous", withheld)
