"""Data files in, windows out: through the daemon's own parser and cutter, so that both see the same windows."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monitor.core.artifact.manifest import BeatSpec, ChannelSpec, WindowSpec
from monitor.core.beats.r_peaks import LEAST_RATE_HZ
from monitor.core.dataset.cutting import window_labels, windows_of
from monitor.core.dataset.recording import Recording, RecordingError, WindowSet
from monitor.core.scoring.channel_limits import ChannelLimits
from monitor.core.scoring.quality import QUALITIES, Quality, assess, is_trusted, may_teach
from monitor.core.streams.sample_rates import is_other_rate
from monitor.core.windows.stream_windows import WindowBatch
from monitor.readers import read_file
from monitor.readers.reading_settings import ReadingSettings
from trainer.errors import DataError
from trainer.settings import ChannelSettings, WindowSettings

# A window spans about one second where nothing else is said: a heartbeat, some tens of turns of a motor. The bounds
# keep slow signals from windows of a few samples and fast ones from windows that take long to fit.
DEFAULT_WINDOW_SECONDS = 1.0
DEFAULT_LENGTHS = (32, 512)
# Of short recordings even the part that validates, about a seventh, must hold some windows that do not overlap.
LEAST_WINDOWS = 20
# Where a second holds so few samples, recordings hold few windows, and who waits for an alert waits long: windows are
# cut more densely there.
SLOW_RATE_HZ = 8.0
SLOW_OVERLAP, OVERLAP = 8, 2

# A window around a beat reaches from before its P wave to the end of its T wave. So long before R there is room for the
# end of the beat before, if this one is premature.
BEAT_SECONDS = 0.9
BEFORE_R = 4 / 9  # the part of it before the R peak
MAX_RR_SECONDS = 3.0  # a sinus pause longer than that is called for
BEAT_LABEL_SECONDS = 0.075  # a beat has the label of what lies so close to its R peak


@dataclass(frozen=True, slots=True)
class DataFile:
    """One parsed file. name: without the folder; sha256: of its bytes."""

    name: str
    sha256: str
    content: Recording | WindowSet


@dataclass(frozen=True, slots=True)
class FileWindows:
    """The windows of one file, in time order and not normalized; `batch.stream` is the file's number.

    start_seconds: float64 [N], time of each window's first sample. labels: int8 [N], or None where the file has none.
    Ready-made windows have no time: they are taken to follow one another without overlap, from second 0.
    """

    file: DataFile
    batch: WindowBatch
    start_seconds: NDArray[np.float64]
    labels: NDArray[np.int8] | None

    def __len__(self) -> int:
        """How many windows."""
        return len(self.batch)

    def rows(self, chosen: NDArray[np.bool_]) -> "FileWindows":
        """Some of the windows. chosen: bool [N]."""
        labels = None if self.labels is None else self.labels[chosen]
        return FileWindows(self.file, self.batch.select(chosen), self.start_seconds[chosen], labels)


def read_files(
    paths: list[Path], reading: ReadingSettings | None = None, sample_rate_hz: float | None = None
) -> list[DataFile]:
    """Read data files. `sample_rate_hz` is that of files that cannot say theirs.

    Raises:
        DataError: a file cannot be read, breaks the dataset contract, or is given twice.

    """
    files: list[DataFile] = []
    seen: dict[str, Path] = {}
    for path in paths:
        try:
            content, digest = read_file(path, reading or ReadingSettings(), sample_rate_hz)
        except RecordingError as error:
            raise DataError(str(error)) from None
        if digest in seen:
            raise DataError(f"{path} holds the same bytes as {seen[digest]}: give each recording once")
        seen[digest] = path
        files.append(DataFile(path.name, digest, content))
    return files


def agree_on_channels(files: list[DataFile], wanted: tuple[ChannelSettings, ...]) -> tuple[ChannelSpec, ...]:
    """Choose the model's channels: those wanted, or else all of the first file's, which the others must then share.

    Raises:
        DataError: a file lacks one of them, or has others.

    """
    if wanted:
        for file in files:
            require_channels(file, tuple(channel.name for channel in wanted))
        return tuple(channel.spec for channel in wanted)
    first = files[0]
    for file in files[1:]:
        if set(file.content.channels) != set(first.content.channels):
            raise DataError(
                f"{file.name} has the channels {_listed(file.content.channels)}, but {first.name} has "
                f"{_listed(first.content.channels)}: list those to use under [[channel]] in a settings file"
            )
    return tuple(ChannelSpec(name=name) for name in first.content.channels)


def require_channels(file: DataFile, names: tuple[str, ...]) -> None:
    """Check that a file has the channels `names`.

    Raises:
        DataError: it lacks some.

    """
    missing = [name for name in names if name not in file.content.channels]
    if missing:
        raise DataError(f"{file.name} has no channel {_listed(missing)}; it has {_listed(file.content.channels)}")


def plan_windows(files: list[DataFile], settings: WindowSettings) -> tuple[WindowSpec, float]:
    """Decide how to cut, and the sample period in seconds.

    Length and stride that are not set: a power of two of about one second, and half of it, or an eighth where the
    signal is slow; around beats 0.9 seconds, and one second. Ready-made windows bring their length.

    Raises:
        DataError: sample rates or window lengths differ between the files, or from what is set.

    """
    period = _agree_on_period(files, settings.sample_rate_hz)
    ready_made = {file.content.windows.shape[2]: file for file in files if isinstance(file.content, WindowSet)}
    if settings.cut == "beat" and any(isinstance(file.content, Recording) for file in files):
        return _plan_beats(list(ready_made.values()), settings, period), period
    length = settings.length or next(iter(ready_made), None) or _default_length(files, period)
    for found, file in ready_made.items():
        if found != length:
            raise DataError(f"{file.name} holds windows of {found} samples, not {length}: fit one model per length")
    overlap = SLOW_OVERLAP if period * SLOW_RATE_HZ > 1 and not ready_made else OVERLAP
    spec = WindowSpec(
        length=length,
        stride=settings.stride or max(1, length // overlap),
        max_gap_samples=settings.max_gap_samples,
        min_coverage=settings.min_coverage,
    )
    return spec, period


def cut(
    file: DataFile, number: int, channels: tuple[str, ...], spec: WindowSpec, sample_period_seconds: float
) -> FileWindows:
    """Cut a file into windows of `channels`, in this order.

    Raises:
        DataError: the file lacks a channel, or its sample rate or window length is not the model's.

    """
    if isinstance(file.content, Recording):  # ready-made windows hold derived channels, too
        channels = tuple(name for name in channels if name not in {derived.name for derived in spec.derived})
    require_channels(file, channels)
    columns = [file.content.channels.index(name) for name in channels]
    span_seconds = (spec.length - 1) * sample_period_seconds
    if isinstance(file.content, WindowSet):
        values = file.content.windows[:, columns]
        if values.shape[2] != spec.length:
            raise DataError(f"{file.name} holds windows of {values.shape[2]} samples; the model takes {spec.length}")
        numbers = np.arange(len(values), dtype=np.float64)
        ends = numbers * spec.length * sample_period_seconds + span_seconds
        batch = WindowBatch(
            stream=np.full(len(values), number, np.int64),
            end_seconds=ends,
            arrival_seconds=ends,
            coverage=np.ones(values.shape[:2], np.float32),
            values=values,
        )
        return FileWindows(file, batch, ends - span_seconds, file.content.labels)
    recording = replace(file.content, channels=channels, samples=file.content.samples[:, columns])
    _require_rate(file, recording.sample_period_seconds, sample_period_seconds)
    batch = windows_of(recording, spec, sample_period_seconds)
    labels = None if recording.labels is None else _labels(recording, batch, spec)
    batch = replace(batch, stream=np.full(len(batch), number, np.int64))
    return FileWindows(file, batch, batch.end_seconds - span_seconds, labels)


def _labels(recording: Recording, batch: WindowBatch, spec: WindowSpec) -> NDArray[np.int8]:
    """Labels [N]: of all samples of a window; of a beat's window, what lies close to its R peak."""
    if spec.beat is None:
        return window_labels(recording, batch, spec.length)
    period = recording.sample_period_seconds
    reach = round(BEAT_LABEL_SECONDS / period)
    after = spec.length - 1 - spec.beat.before_samples
    near_peak = replace(batch, end_seconds=batch.end_seconds - (after - reach) * period)
    return window_labels(recording, near_peak, 2 * reach + 1)


def may_be_normal(batch: WindowBatch, spec: WindowSpec, channels: tuple[ChannelSpec, ...]) -> NDArray[np.bool_]:
    """Tell which windows [N] may show what is normal: those that the daemon judges, but where a heart stood still."""
    return may_teach(assess(batch, spec, ChannelLimits.of(channels), max_skew_seconds=math.inf))


def reasons_to_distrust(batch: WindowBatch, spec: WindowSpec, channels: tuple[ChannelSpec, ...]) -> NDArray[np.str_]:
    """Say why no fit learns from a window [N]: the daemon would withhold it, or a heart stood still; empty: it may."""
    withheld = withheld_reasons(batch, spec, channels)
    return np.where((withheld == "") & ~may_be_normal(batch, spec, channels), Quality.NO_BEAT.value, withheld)


def withheld_reasons(batch: WindowBatch, spec: WindowSpec, channels: tuple[ChannelSpec, ...]) -> NDArray[np.str_]:
    """Say why the daemon would withhold each window [N]; empty where it would judge it."""
    quality = assess(batch, spec, ChannelLimits.of(channels), max_skew_seconds=math.inf)
    return np.where(is_trusted(quality), "", np.array(QUALITIES, dtype="<U32")[quality])


def _agree_on_period(files: list[DataFile], rate_hz: float | None) -> float:
    found = [(file, file.content.sample_period_seconds) for file in files if isinstance(file.content, Recording)]
    if rate_hz is not None:
        period = 1.0 / rate_hz
    else:
        period = float(np.median([seconds for _, seconds in found])) if found else 1.0
    for file, seconds in found:
        _require_rate(file, seconds, period)
    return period


def _plan_beats(ready_made: list[DataFile], settings: WindowSettings, period: float) -> WindowSpec:
    if ready_made:
        raise DataError(f"{ready_made[0].name} holds windows that are cut already: give recordings, or such files only")
    if period * LEAST_RATE_HZ > 1:
        raise DataError(f"beats cannot be found at {1 / period:g} Hz: it takes {LEAST_RATE_HZ:g} Hz or more")
    length = settings.length or round(BEAT_SECONDS / period)
    if length * period > MAX_RR_SECONDS:
        raise DataError(f"a window around a beat has at most {MAX_RR_SECONDS / period:g} samples here, not {length}")
    return WindowSpec(
        length=length,
        stride=settings.stride or round(1 / period),
        cut="beat",
        beat=BeatSpec(before_samples=round(BEFORE_R * length), max_rr_seconds=MAX_RR_SECONDS),
        max_gap_samples=settings.max_gap_samples,
        min_coverage=settings.min_coverage,
    )


def _require_rate(file: DataFile, found_seconds: float, wanted_seconds: float) -> None:
    if is_other_rate(found_seconds / wanted_seconds):
        raise DataError(
            f"{file.name} is sampled at {1 / found_seconds:g} Hz, not at {1 / wanted_seconds:g} Hz: "
            "resample it, or fit one model per rate"
        )


def _default_length(files: list[DataFile], sample_period_seconds: float) -> int:
    shortest, longest = DEFAULT_LENGTHS
    power_of_two = 2.0 ** round(math.log2(DEFAULT_WINDOW_SECONDS / sample_period_seconds))
    samples = max(len(file.content.samples) for file in files if isinstance(file.content, Recording))
    fitting = 2.0 ** max(1, math.floor(math.log2(samples / LEAST_WINDOWS)))
    return int(min(longest, fitting, max(shortest, power_of_two)))


def _listed(names: tuple[str, ...] | list[str]) -> str:
    """Names for a message, at most ten of them."""
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(names[:10]) + more
