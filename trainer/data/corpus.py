"""The corpus: all windows of a fit, which part each serves, and the numbers that normalize it."""

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from monitor.core.artifact.manifest import ChannelSpec, DataRange, WindowSpec
from monitor.core.artifact.normalization_spec import NormalizationSpec
from trainer.calibration.alerts_at_threshold import ErrorSeries
from trainer.data.split import Part
from trainer.data.windows import Windows


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
