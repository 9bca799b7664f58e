"""The corpus: all windows of a fit, which part each serves, and the numbers that normalize it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from monitor.core.artifact.data_levels import DataLevels
from monitor.core.artifact.manifest import ChannelSpec, DataRange, WindowSpec
from monitor.core.artifact.normalization_spec import NormalizationSpec
from monitor.core.dataset.recording import Recording
from monitor.core.scoring.normalize import Normalizer
from monitor.core.scoring.quality import Quality
from trainer.calibration.alerts_at_threshold import ErrorSeries
from trainer.data.cutting import (
    DataFile,
    FileWindows,
    agree_on_channels,
    cut,
    may_be_normal,
    plan_windows,
    withheld_reasons,
)
from trainer.data.normalization import normalization_spec
from trainer.data.published_alerts import Alerted, alerted
from trainer.data.split import Part, folds_of, split_around, split_by_time
from trainer.data.trained_spread import trained_spread
from trainer.data.windows import Windows
from trainer.errors import DataError
from trainer.settings import FitSettings

# Below these a fit is not worth its name: no weights to learn, no stop to find, no threshold to trust.
MIN_WINDOWS = {Part.TRAIN: 30, Part.VALIDATION: 5, Part.CALIBRATION: 20}
LEAST_TO_FIT = {part: MIN_WINDOWS[part] for part in (Part.TRAIN, Part.VALIDATION)}

# So many windows are few: to fit to them takes seconds, and a quarter of them hardly shows a tail.
FEW_WINDOWS = 600

Parts = list[NDArray[np.int8]]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where N windows were cut, in order: file int64 [N], a number into `Corpus.ranges`; end_seconds float64 [N]."""

    file: NDArray[np.int64]
    end_seconds: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Corpus:
    """What a fit works on.

    parts: who serves for what; none of these windows is labelled anomalous. origins: where they come from. anomalous:
    the labelled anomalies, for figures only. ranges: per file, what was used and what was left out. folds: where
    windows are few, the same recordings with one part held out after the other. The calibration part is then all that
    they hold out, one fold after the other, and shares its windows with the other parts: its errors must come from
    the folds.
    """

    channels: tuple[ChannelSpec, ...]
    window: WindowSpec
    sample_period_seconds: float
    normalization: NormalizationSpec
    parts: dict[Part, Windows]
    origins: dict[Part, Origin]
    anomalous: Windows
    ranges: tuple[DataRange, ...]
    folds: tuple["Corpus", ...] = ()

    def without(self, left_out: dict[Part, NDArray[np.bool_]], reason: str) -> "Corpus":
        """The corpus without some windows of some parts; the ranges tell how many, and for which reason.

        left_out: of each part, bool [N].
        """
        parts, origins, ranges = dict(self.parts), dict(self.origins), list(self.ranges)
        for part, mask in left_out.items():
            for number, count in Counter(self.origins[part].file[mask].tolist()).items():
                excluded = Counter(ranges[number].excluded) + Counter({reason: count})
                ranges[number] = ranges[number].model_copy(update={"excluded": dict(excluded)})
            parts[part] = self.parts[part][~mask]
            origins[part] = Origin(self.origins[part].file[~mask], self.origins[part].end_seconds[~mask])
        return replace(self, parts=parts, origins=origins, ranges=tuple(ranges))

    def series(self, part: Part, error: NDArray[np.float32]) -> list[ErrorSeries]:
        """The errors of a part's windows, by recording. error: float32 [N]."""
        origin = self.origins[part]
        several = []
        for number in np.unique(origin.file).tolist():
            rows = np.flatnonzero(origin.file == number)
            ends = origin.end_seconds[rows]
            planned = self.window.stride * self.sample_period_seconds
            # beats and ready-made windows keep a pace of their own
            interval = float(np.median(np.diff(ends))) if len(ends) > 1 else planned
            several.append(ErrorSeries(self.ranges[number].name, ends, error[rows], interval))
        return several


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

    withheld = [withheld_reasons(piece.batch, spec, channels) for piece in windows_by_file]
    withheld = [
        np.where((reason == "") & ~may_be_normal(piece.batch, spec, channels), Quality.NO_BEAT.value, reason)
        for reason, piece in zip(withheld, windows_by_file, strict=True)
    ]
    reasons = [_with_labels(reason, piece.labels) for reason, piece in zip(withheld, windows_by_file, strict=True)]
    for reason, piece in zip(reasons, windows_by_file, strict=True):
        reason[(reason == "") & alerted(piece, alerts)] = "alerted"
    pool = _Pool(channels, spec, period, settings, windows_by_file, withheld, reasons)
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


@dataclass(frozen=True, slots=True)
class _Pool:
    """The windows of a fit, sorted out but not split: of each file those that are withheld, and why others are out."""

    channels: tuple[ChannelSpec, ...]
    window: WindowSpec
    sample_period_seconds: float
    settings: FitSettings
    windows_by_file: list[FileWindows]
    withheld: list[NDArray[np.str_]]
    reasons: list[NDArray[np.str_]]

    def corpus(
        self,
        parts: Parts,
        least: Mapping[Part, int],
        normalization: NormalizationSpec | None = None,
        calibrating: NDArray[np.int64] | None = None,
    ) -> Corpus:
        """Normalize, by the training part unless told how. `parts` lose what still warms up.

        calibrating: the windows, of those of all files, that make the calibration part; None: as `parts` say.

        Raises:
            DataError: a part has fewer than its `least` windows.

        """
        reasons = [
            np.where(part == Part.GAP, "split_gap", reason) for reason, part in zip(self.reasons, parts, strict=True)
        ]
        _require_enough(parts, reasons, least)
        windows_by_file = self.windows_by_file
        normalization = normalization or self._normalization(parts)
        normalizer = Normalizer(normalization, len(self.channels), self.window.length)
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

        Raises:
            DataError: what is left of a fold is too little to fit to.

        """
        whole = self._around(usable, [np.zeros_like(mask) for mask in usable], gap_seconds)
        # one normalization for all folds: else their errors would be in other units than the model's that is used
        normalization = self._normalization(whole)
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

    def _normalization(self, parts: Parts) -> NormalizationSpec:
        each = zip(self.windows_by_file, parts, strict=True)
        train = [piece.batch.values[part == Part.TRAIN] for piece, part in each]
        spec = normalization_spec(np.concatenate(train), self.settings.normalization, self.window.derived)
        return spec.model_copy(update={"trained": trained_spread(train, spec)}) if spec.learnt else spec

    def _around(self, usable: list[NDArray[np.bool_]], held_out: list[NDArray[np.bool_]], gap_seconds: float) -> Parts:
        return [
            split_around(piece.start_seconds, piece.batch.end_seconds, mask, held, gap_seconds, self.settings.split)
            for piece, mask, held in zip(self.windows_by_file, usable, held_out, strict=True)
        ]


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


def _with_labels(withheld: NDArray[np.str_], labels: NDArray[np.int8] | None) -> NDArray[np.str_]:
    if labels is None:
        return withheld.copy()
    return np.where((withheld == "") & (labels == 1), "labelled_anomalous", withheld)


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
