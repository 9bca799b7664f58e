"""The pool: the windows of a fit before they are split, and the corpus that each way to split them makes."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from monitor.core.artifact.data_levels import DataLevels
from monitor.core.artifact.manifest import ChannelSpec, DataRange, WindowSpec
from monitor.core.artifact.normalization_spec import NormalizationSpec
from monitor.core.dataset.recording import Recording
from monitor.core.scoring.normalize import Normalizer
from monitor.core.scoring.remembered_normals import LearntNormals
from trainer.data.corpus import Corpus, Origin
from trainer.data.cutting import FileWindows
from trainer.data.normalization import normalization_spec
from trainer.data.split import Part, folds_of, split_around
from trainer.data.trained_spread import trained_spread
from trainer.data.windows import Windows
from trainer.errors import DataError
from trainer.settings import FitSettings

# Below these a fit is not worth its name: no weights to learn, no stop to find, no threshold to trust.
MIN_WINDOWS = {Part.TRAIN: 30, Part.VALIDATION: 5, Part.CALIBRATION: 20}
LEAST_TO_FIT = {part: MIN_WINDOWS[part] for part in (Part.TRAIN, Part.VALIDATION)}

Parts = list[NDArray[np.int8]]


@dataclass(frozen=True, slots=True)
class WindowPool:
    """The windows of a fit, sorted out but not split: of each file those that are withheld, and why others are out.

    learnt: what is known of files before their first window, by number. All others warm up where windows are normalized
    by what each stream teaches.
    """

    channels: tuple[ChannelSpec, ...]
    window: WindowSpec
    sample_period_seconds: float
    settings: FitSettings
    windows_by_file: list[FileWindows]
    withheld: list[NDArray[np.str_]]
    reasons: list[NDArray[np.str_]]
    learnt: Mapping[int, LearntNormals] = field(default_factory=dict)

    def corpus(
        self,
        parts: Parts,
        least: Mapping[Part, int],
        normalization: NormalizationSpec | None = None,
        calibrating: NDArray[np.int64] | None = None,
    ) -> Corpus:
        """Normalize, by the training part unless told how. `parts` lose what still warms up.

        calibrating: int64 [K], which of the windows of all files make the calibration part; None: as `parts` say.

        Raises:
            DataError: a part has fewer than its `least` windows.

        """
        reasons = [
            np.where(part == Part.GAP, "split_gap", reason) for reason, part in zip(self.reasons, parts, strict=True)
        ]
        _require_enough(parts, reasons, least)
        windows_by_file = self.windows_by_file
        normalization = normalization or self.find_normalization(parts)
        normalizer = Normalizer(normalization, len(self.channels), self.window.length)
        normalizer.inherit((str(number), learnt) for number, learnt in self.learnt.items())
        for number in self.learnt:
            normalizer.open_stream(str(number), number)
        normalized: list[Windows] = []
        for piece, reason, part, untrusted in zip(windows_by_file, reasons, parts, self.withheld, strict=True):
            # labels have no say here: the daemon, which has none, learns from these windows too
            centre, scale, ready = normalizer.parameters(piece.batch, untrusted == "")
            warming_up = ~ready & np.isin(reason, ("", "labelled_anomalous", "alerted"))
            reason[warming_up] = "warming_up"
            part[warming_up] = Part.UNUSED
            normalized.append(Windows(piece.batch.values, centre, scale))
        _require_enough(parts, reasons, least)

        everything = Windows.join(normalized)
        part_of, reason_of = np.concatenate(parts), np.concatenate(reasons)
        rows = {part: np.flatnonzero(part_of == part) for part in MIN_WINDOWS}
        if calibrating is not None:
            rows[Part.CALIBRATION] = calibrating
        file_of = np.concatenate([piece.batch.stream for piece in windows_by_file])
        ends = np.concatenate([piece.batch.end_seconds for piece in windows_by_file])
        return Corpus(
            channels=self.channels,
            window=self.window,
            sample_period_seconds=self.sample_period_seconds,
            normalization=normalization,
            parts={part: everything[chosen] for part, chosen in rows.items()},
            origins={part: Origin(file_of[chosen], ends[chosen]) for part, chosen in rows.items()},
            anomalous=everything[reason_of == "labelled_anomalous"],
            ranges=tuple(_range(piece, reason) for piece, reason in zip(windows_by_file, reasons, strict=True)),
        )

    def cross_fitted(self, usable: list[NDArray[np.bool_]], gap_seconds: float) -> Corpus:
        """Hold out one part of the usable windows after the other, and fit to all of them.

        usable: of each file, bool [N].

        Raises:
            DataError: what is left of a fold is too little to fit to.

        """
        whole = self._around(usable, [np.zeros_like(mask) for mask in usable], gap_seconds)
        # one normalization for all folds: else their errors would be in other units than the model's that is used
        normalization = self.find_normalization(whole)
        calibrating: list[NDArray[np.int64]] = []
        folds: list[Corpus] = []
        for held_out in folds_of(usable, self.settings.split):
            parts = self._around(usable, held_out, gap_seconds)
            fold = self.corpus(parts, LEAST_TO_FIT, normalization)
            if len(fold.parts[Part.CALIBRATION]):  # all of it may be what streams warm up with
                folds.append(fold)
                calibrating.append(np.flatnonzero(np.concatenate(parts) == Part.CALIBRATION))
        if sum(map(len, calibrating)) < MIN_WINDOWS[Part.CALIBRATION] * max(1, len(folds)):
            raise DataError("too few windows calibrate")
        return replace(self.corpus(whole, LEAST_TO_FIT, normalization, np.concatenate(calibrating)), folds=tuple(folds))

    def find_normalization(self, parts: Parts) -> NormalizationSpec:
        """Find the numbers that normalize, from the training part alone. parts: of each file, int8 [N]."""
        each = zip(self.windows_by_file, parts, strict=True)
        train = [piece.batch.values[part == Part.TRAIN] for piece, part in each]
        spec = normalization_spec(np.concatenate(train), self.settings.normalization, self.window.derived)
        return spec.model_copy(update={"trained": trained_spread(train, spec)}) if spec.learnt else spec

    def _around(self, usable: list[NDArray[np.bool_]], held_out: list[NDArray[np.bool_]], gap_seconds: float) -> Parts:
        return [
            split_around(piece.start_seconds, piece.batch.end_seconds, mask, held, gap_seconds, self.settings.split)
            for piece, mask, held in zip(self.windows_by_file, usable, held_out, strict=True)
        ]


def _range(piece: FileWindows, reasons: NDArray[np.str_]) -> DataRange:
    timed, usable = isinstance(piece.file.content, Recording) and len(piece) > 0, reasons == ""
    return DataRange(
        name=piece.file.name,
        sha256=piece.file.sha256,
        windows=len(piece),
        start_seconds=float(piece.start_seconds.min()) if timed else None,
        end_seconds=float(piece.batch.end_seconds.max()) if timed else None,
        excluded=dict(Counter(reasons[reasons != ""].tolist())),
        levels=DataLevels.of(piece.batch.values[usable]) if usable.any() else None,
    )


def _require_enough(parts: Parts, reasons: list[NDArray[np.str_]], needed: Mapping[Part, int]) -> None:
    have = Counter(np.concatenate(parts).tolist())
    if all(have[part] >= least for part, least in needed.items()):
        return
    excluded = Counter(np.concatenate(reasons).tolist())
    usable = excluded.pop("", 0)
    left_out = ", ".join(f"{count} {reason}" for reason, count in excluded.items()) or "none"
    counts = ", ".join(f"{have[part]} of {least} for {part.name.lower()}" for part, least in needed.items())
    advice = "Give more normal data, or a shorter --window or --stride"
    if excluded["warming_up"] > usable:
        advice = (
            "Each recording begins with normalization.warmup_windows to learn from: give longer ones, or lower that"
        )
    raise DataError(f"too few windows: {counts} (usable {usable}; left out: {left_out}). {advice}")
