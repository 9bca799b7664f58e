"""The corpus: all windows of a fit, which part each serves, and the numbers that normalize it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from monitor.core.manifest import ChannelSpec, DataRange, NormalizationSpec, WindowSpec
from monitor.core.normalize import Normalizer
from monitor.core.quality import Quality
from monitor.core.recording import Recording
from trainer.alarms import ErrorSeries
from trainer.alert_log import Alerted, alerted
from trainer.data import Cut, DataFile, agree_on_channels, cut, may_be_normal, plan_windows, withheld_reasons
from trainer.errors import DataError
from trainer.normalization import normalization_spec
from trainer.settings import FitSettings
from trainer.split import Part, split_by_time
from trainer.windows import Windows

# Below these a fit is not worth its name: no weights to learn, no stop to find, no threshold to trust.
MIN_WINDOWS = {Part.TRAIN: 30, Part.VALIDATION: 5, Part.CALIBRATION: 20}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where N windows were cut, in order: file int64 [N], a number into `Corpus.ranges`; end_seconds float64 [N]."""

    file: NDArray[np.int64]
    end_seconds: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Corpus:
    """What a fit works on.

    parts: who serves for what; none of these windows is labelled anomalous. origins: where they come from. anomalous:
    the labelled anomalies, for figures only. ranges: per file, what was used and what was left out.
    """

    channels: tuple[ChannelSpec, ...]
    window: WindowSpec
    sample_period_seconds: float
    normalization: NormalizationSpec
    parts: dict[Part, Windows]
    origins: dict[Part, Origin]
    anomalous: Windows
    ranges: tuple[DataRange, ...]

    def without(self, left_out: dict[Part, NDArray[np.bool_]], reason: str) -> "Corpus":
        """The corpus without some windows of some parts (masks [N]); the ranges tell how many, and for which reason."""
        parts, origins, ranges = dict(self.parts), dict(self.origins), list(self.ranges)
        for part, mask in left_out.items():
            for number, count in Counter(self.origins[part].file[mask].tolist()).items():
                excluded = Counter(ranges[number].excluded) + Counter({reason: count})
                ranges[number] = ranges[number].model_copy(update={"excluded": dict(excluded)})
            parts[part] = self.parts[part][~mask]
            origins[part] = Origin(self.origins[part].file[~mask], self.origins[part].end_seconds[~mask])
        return replace(self, parts=parts, origins=origins, ranges=tuple(ranges))

    def series(self, part: Part, error: NDArray[np.float32]) -> list[ErrorSeries]:
        """The errors [N] of a part's windows, by recording."""
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
    cuts = [cut(file, number, names, spec, period) for number, file in enumerate(files)]
    channels = _with_rest((*channels, *spec.derived), cuts)

    withheld = [withheld_reasons(piece.batch, spec, channels) for piece in cuts]
    withheld = [
        np.where((reason == "") & ~may_be_normal(piece.batch, spec, channels), Quality.NO_BEAT.value, reason)
        for reason, piece in zip(withheld, cuts, strict=True)
    ]
    reasons = [_with_labels(reason, piece.labels) for reason, piece in zip(withheld, cuts, strict=True)]
    for reason, piece in zip(reasons, cuts, strict=True):
        reason[(reason == "") & alerted(piece, alerts)] = "alerted"
    # a window may begin with values held over from before it; the half sample absorbs rounding
    gap_seconds = (spec.max_gap_samples + 0.5) * period
    parts = [
        split_by_time(piece.start_seconds, piece.batch.end_seconds, reason == "", gap_seconds, settings.split)
        for piece, reason in zip(cuts, reasons, strict=True)
    ]
    for reason, part in zip(reasons, parts, strict=True):
        reason[part == Part.GAP] = "split_gap"
    _require_enough(parts, reasons)

    train = np.concatenate([piece.batch.values[part == Part.TRAIN] for piece, part in zip(cuts, parts, strict=True)])
    normalization = normalization_spec(train, settings.normalization, spec.derived)
    normalizer = Normalizer(normalization, len(channels))
    normalized: list[Windows] = []
    for piece, reason, part, untrusted in zip(cuts, reasons, parts, withheld, strict=True):
        # labels have no say here: the daemon, which has none, learns from these windows too
        centre, scale, ready = normalizer.parameters(piece.batch, untrusted == "")
        warming_up = ~ready & np.isin(reason, ("", "labelled_anomalous", "alerted"))
        reason[warming_up] = "warming_up"
        part[warming_up] = Part.UNUSED
        normalized.append(Windows(piece.batch.values, centre, scale))
    _require_enough(parts, reasons)

    everything = Windows.join(normalized)
    part_of, reason_of = np.concatenate(parts), np.concatenate(reasons)
    file_of = np.concatenate([piece.batch.stream for piece in cuts])
    ends = np.concatenate([piece.batch.end_seconds for piece in cuts])
    return Corpus(
        channels=channels,
        window=spec,
        sample_period_seconds=period,
        normalization=normalization,
        parts={part: everything[part_of == part] for part in MIN_WINDOWS},
        origins={part: Origin(file_of[part_of == part], ends[part_of == part]) for part in MIN_WINDOWS},
        anomalous=everything[reason_of == "labelled_anomalous"],
        ranges=tuple(_range(piece, reason) for piece, reason in zip(cuts, reasons, strict=True)),
    )


def _with_rest(channels: tuple[ChannelSpec, ...], cuts: list[Cut]) -> tuple[ChannelSpec, ...]:
    """Learn which channels may stand still for a whole window, where the settings do not say: those that did."""
    rested = np.zeros(len(channels), np.bool_)
    for piece in cuts:
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


def _range(piece: Cut, reasons: NDArray[np.str_]) -> DataRange:
    timed = isinstance(piece.file.content, Recording) and len(piece) > 0
    return DataRange(
        name=piece.file.name,
        sha256=piece.file.sha256,
        windows=len(piece),
        start_seconds=float(piece.start_seconds.min()) if timed else None,
        end_seconds=float(piece.batch.end_seconds.max()) if timed else None,
        excluded=dict(Counter(reasons[reasons != ""].tolist())),
    )


def _require_enough(parts: list[NDArray[np.int8]], reasons: list[NDArray[np.str_]]) -> None:
    have = Counter(np.concatenate(parts).tolist())
    if all(have[part] >= least for part, least in MIN_WINDOWS.items()):
        return
    excluded = Counter(np.concatenate(reasons).tolist())
    usable = excluded.pop("", 0)
    left_out = ", ".join(f"{count} {reason}" for reason, count in excluded.items()) or "none"
    counts = ", ".join(f"{have[part]} of {least} for {part.name.lower()}" for part, least in MIN_WINDOWS.items())
    advice = "Give more normal data, or a shorter --window or --stride"
    if excluded["warming_up"] > usable:
        advice = (
            "Each recording begins with normalization.warmup_windows to learn from: give longer ones, or lower that"
        )
    raise DataError(f"too few windows: {counts} (usable {usable}; left out: {left_out}). {advice}")
