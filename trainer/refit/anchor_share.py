"""What the anchor's recordings give a refit: what its model learnt from, without what turned out to be bad."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.core.artifact.manifest import Manifest
from monitor.core.history.label import Label
from trainer.data.cutting import DataFile, FileWindows, cut, reasons_to_distrust
from trainer.data.gathering import with_labels
from trainer.data.split import Part, split_by_time
from trainer.refit.anchor_data import stream_of
from trainer.refit.stream_share import evenly, rows_of
from trainer.settings import SplitSettings

HELD_OUT = "held_out"  # the last part of a recording: refits are measured on it


@dataclass(frozen=True, slots=True)
class AnchorShare:
    """What one recording gives.

    windows: N windows that are used. part: int8 [N], for what. left_out: windows by reason. looked_at: all windows.
    """

    windows: FileWindows
    part: NDArray[np.int8]
    left_out: dict[str, int]
    looked_at: int

    def of_part(self, part: Part) -> int:
        """How many windows serve a part."""
        return int((self.part == part).sum())

    def at_most(self, train: int, validation: int) -> "AnchorShare":
        """The same with at most so many windows of these parts, spread evenly; all of those that calibrate."""
        used = self.part == Part.CALIBRATION
        for each, most in ((Part.TRAIN, train), (Part.VALIDATION, validation)):
            used[evenly(np.flatnonzero(self.part == each), most)] = True
        thinned = Counter(self.left_out) + Counter(thinned=int((~used).sum()))
        return AnchorShare(rows_of(self.windows, used), self.part[used], dict(thinned), self.looked_at)


def anchor_shares(
    files: Sequence[DataFile],
    manifest: Manifest,
    split: SplitSettings,
    gap_seconds: float,
    bad: Mapping[str, Sequence[Label]],
    accepted: Collection[str],
    *,
    calibrates: bool = False,
) -> list[AnchorShare]:
    """Cut and split what the anchor was fitted to, recording by recording.

    bad: what people say of streams that is no use as
    data. accepted: streams that are another machine by now. calibrates: whether the last part of each recording sets
    the threshold, because nothing newer can; otherwise it is held out.
    """
    shares = []
    for file in files:
        piece = cut(file, 0, manifest.channel_names, manifest.window, manifest.sample_period_seconds)
        reasons = with_labels(
            reasons_to_distrust(piece.batch, manifest.window, manifest.channels).astype("<U32"), piece.labels
        )
        stream, ends = stream_of(file.name), piece.batch.end_seconds
        for label in bad.get(stream, ()):
            reasons[(ends >= label.from_seconds) & (piece.start_seconds <= label.to_seconds)] = "bad"
        if stream in accepted:
            reasons[:] = "before_accept"
        usable = reasons == ""
        part = split_by_time(piece.start_seconds, ends, usable, gap_seconds, split)
        reasons[part == Part.GAP] = "split_gap"
        if not calibrates:
            reasons[part == Part.CALIBRATION] = HELD_OUT
        used = reasons == ""
        left_out = dict(Counter(reasons[~used].tolist()))
        shares.append(AnchorShare(rows_of(piece, used), part[used], left_out, len(piece)))
    return shares
