"""Recordings: files by the dataset contract, as arrays.

The contract (see README, "Data files"):

* CSV: a header, a `time` column (ISO 8601 or epoch seconds), one column per channel, optionally `label` (1 = anomaly).
  An empty cell is a missing value.
* NPZ of samples: `samples [n, C]`, `channels [C]`, `sample_rate_hz` or `time [n]` (or both: then the rate is the grid),
  optionally `labels [n]` and `segment [n]` (an integer that changes where a recording breaks).
* NPZ of windows: `windows [N, C, L]`, `channels`, optionally `labels [N]`.

This module owns those rules; `recording_write` writes files that keep them. It parses bytes; who has a path opens the
file.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.core.dataset.csv_table import TableError, parse_table
from monitor.core.decode.timestamps import LATEST_SECONDS
from monitor.core.values.float32 import to_float32
from monitor.core.values.names import is_name, safe_name

# Where a file has a rate but no time, a new segment starts so many sample periods after the last one ended: beyond the
# longest gap that a window may bridge (WindowSpec.max_gap_samples is at most 1024), so that no window crosses a break.
BREAK_PERIODS = 2048

# Names that would slip in as a channel, or be overlooked, though they can only mean something else.
_LOOKALIKES = {
    "label": "labels",
    "anomaly": "labels",
    "segments": "segment",
    "times": "time",
    "sample_rate": "sample_rate_hz",
}


class RecordingError(ValueError):
    """The file does not keep the dataset contract; the text says what is wrong and what would be right."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One stream, recorded.

    samples: float32 [n, C]; time_seconds: float64 [n], strictly what the file says (epoch seconds, or seconds from 0
    when the file has only a rate; then a new segment starts `BREAK_PERIODS` later than it would without the break). It
    may step back where the file's time does. sample_period_seconds: 1 / rate, or the median step forward within a
    segment. labels: int8 [n], 1 = anomaly, or None; segment: int64 [n], changes at a break.
    """

    name: str
    channels: tuple[str, ...]
    samples: NDArray[np.float32]
    time_seconds: NDArray[np.float64]
    sample_period_seconds: float
    labels: NDArray[np.int8] | None
    segment: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class WindowSet:
    """Windows somebody else has cut: float32 [N, C, L], labels int8 [N] or None. There is no time in them."""

    name: str
    channels: tuple[str, ...]
    windows: NDArray[np.float32]
    labels: NDArray[np.int8] | None


def parse_recording(file_name: str, data: bytes) -> Recording | WindowSet:
    """Parse a file by its suffix (`.csv`, `.npz`). What it is called, made a safe name, is the recording's name.

    Raises:
        RecordingError: the content breaks the contract.

    """
    path = PurePath(file_name)
    match path.suffix.lower():
        case ".csv":
            return _parse_csv(safe_name(path.stem), data)
        case ".npz":
            return _parse_npz(safe_name(path.stem), data)
        case suffix:
            raise RecordingError(f"suffix {suffix!r} is neither .csv nor .npz (unpack a compressed file first)")


def _parse_csv(name: str, data: bytes) -> Recording:
    try:
        columns = parse_table(data)
    except TableError as error:
        raise RecordingError(str(error)) from None
    return recording_of_columns(name, columns)


def recording_of_columns(name: str, columns: Mapping[str, NDArray[np.float64]]) -> Recording:
    """Take a table by the rules for CSV.

    columns: by name, float64 [n], `time` (epoch seconds) and `label` among them.

    Raises:
        RecordingError: the table breaks the contract.

    """
    columns = dict(columns)
    if "time" not in columns:
        raise RecordingError(f"there is no column `time` (columns: {_listed(columns)})")
    time_seconds = _checked_time(columns.pop("time"))
    label = columns.pop("label", None)
    for title in columns:
        if title.lower() in {"label", "labels", "anomaly"}:
            raise RecordingError(f"column {title!r} would be read as a channel: name it `label`, or leave it out")
    _check_channels(list(columns))
    segment = np.zeros(len(time_seconds), dtype=np.int64)
    return Recording(
        name=name,
        channels=tuple(columns),
        samples=np.column_stack([to_float32(column) for column in columns.values()]),
        time_seconds=time_seconds,
        sample_period_seconds=_median_step_seconds(time_seconds, segment),
        labels=None if label is None else _labels("label", label, len(label)),
        segment=segment,
    )


def _parse_npz(name: str, data: bytes) -> Recording | WindowSet:
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            members: dict[str, Any] = dict(archive)
    except Exception as error:  # noqa: BLE001 - zipfile, zlib and numpy have no common error for a damaged archive
        raise RecordingError(f"not a readable NPZ file: {error}") from None
    return recording_of_arrays(name, {key: each for key, each in members.items() if isinstance(each, np.ndarray)})


def recording_of_arrays(name: str, arrays: Mapping[str, NDArray[Any]]) -> Recording | WindowSet:
    """Take arrays by the rules for NPZ.

    arrays: by key as there, `samples` [n, C] or `windows` [N, C, L], `channels` [C], and what may stand beside them.

    Raises:
        RecordingError: the arrays break the contract.

    """
    for key, meant in _LOOKALIKES.items():
        if key in arrays and meant not in arrays:
            raise RecordingError(f"key `{key}` is not in the contract: did you mean `{meant}`?")
    if ("samples" in arrays) == ("windows" in arrays):
        raise RecordingError(
            f"exactly one of `samples` [n, C] and `windows` [N, C, L] is needed (keys: {_listed(arrays)})"
        )
    main = "samples" if "samples" in arrays else "windows"
    channels = _npz_channels(arrays)
    values = _real(arrays, main)
    expected = f"[n, {len(channels)}]" if main == "samples" else f"[N, {len(channels)}, L]"
    if values.ndim != expected.count(",") + 1 or values.shape[1] != len(channels):
        raise RecordingError(
            f"`{main}` has shape {list(values.shape)}, expected {expected} (`channels` has {len(channels)} names)"
        )
    if not values.size:
        raise RecordingError(f"`{main}` is empty: shape {list(values.shape)}")
    labels = _labels("labels", _real(arrays, "labels"), len(values)) if "labels" in arrays else None
    if main == "windows":
        return WindowSet(name, channels, to_float32(values), labels)
    segment = _segment(arrays, len(values))
    time_seconds, period_seconds = _npz_time(arrays, segment)
    return Recording(name, channels, to_float32(values), time_seconds, period_seconds, labels, segment)


def _npz_channels(arrays: Mapping[str, NDArray[Any]]) -> tuple[str, ...]:
    names = arrays.get("channels")
    if names is None or names.ndim != 1 or names.dtype.kind != "U":
        raise RecordingError(
            "`channels` must be a list of texts, one name per channel, e.g. np.array(['vib_x', 'current'])"
        )
    channels = tuple(str(channel) for channel in names)
    _check_channels(channels)
    return channels


def _npz_time(arrays: Mapping[str, NDArray[Any]], segment: NDArray[np.int64]) -> tuple[NDArray[np.float64], float]:
    """Time of each sample, and the sample period."""
    time_seconds = None
    if "time" in arrays:
        time = _real(arrays, "time")
        if time.shape != segment.shape:
            raise RecordingError(f"`time` has shape {list(time.shape)}, expected {list(segment.shape)}, one per sample")
        time_seconds = _checked_time(time.astype(np.float64))
    if "sample_rate_hz" not in arrays:
        if time_seconds is None:
            raise RecordingError(f"`sample_rate_hz` or `time` [n] is needed (keys: {_listed(arrays)})")
        return time_seconds, _median_step_seconds(time_seconds, segment)
    rate_hz = _real(arrays, "sample_rate_hz")
    if rate_hz.size != 1 or not (np.isfinite(rate_hz) & (rate_hz > 0)).all():
        raise RecordingError("`sample_rate_hz` must be one number above 0")
    period_seconds = 1.0 / float(rate_hz.item())
    if time_seconds is None:
        breaks = np.cumsum(np.diff(segment, prepend=segment[:1]) != 0)
        time_seconds = (np.arange(len(segment)) + BREAK_PERIODS * breaks) * period_seconds
    return time_seconds, period_seconds


def _segment(arrays: Mapping[str, NDArray[Any]], count: int) -> NDArray[np.int64]:
    segment = arrays.get("segment")
    if segment is None:
        return np.zeros(count, dtype=np.int64)
    if segment.dtype.kind not in "iu" or segment.shape != (count,):
        raise RecordingError(f"`segment` must hold {count} integers, one per sample")
    return segment.astype(np.int64)


def _real(arrays: Mapping[str, NDArray[Any]], key: str) -> NDArray[Any]:
    array = arrays[key]
    if array.dtype.kind not in "fiub":
        raise RecordingError(f"`{key}` has type {array.dtype}, expected real numbers")
    return array


def _labels(key: str, labels: NDArray[Any], count: int) -> NDArray[np.int8]:
    if labels.shape != (count,):
        raise RecordingError(f"`{key}` has shape {list(labels.shape)}, expected [{count}]")
    wrong = ~np.isin(labels, (0, 1))
    if wrong.any():
        raise RecordingError(
            f"`{key}` must be 0 (normal) or 1 (anomaly), found {labels[wrong][0]} in row {wrong.argmax() + 1}"
        )
    return labels.astype(np.int8)


def _check_channels(channels: Sequence[str]) -> None:
    if not channels:
        raise RecordingError("there is no channel")
    for channel in channels:
        if not is_name(channel):
            raise RecordingError(f"{channel!r} cannot be a channel name: use e.g. {safe_name(channel)!r}")
        if channels.count(channel) > 1:
            raise RecordingError(f"two channels are named {channel!r}")


def _checked_time(time: NDArray[np.float64]) -> NDArray[np.float64]:
    wrong = ~(time < LATEST_SECONDS) | np.isneginf(time)
    if wrong.any():
        row = int(wrong.argmax())
        raise RecordingError(f"row {row + 1}: time {time[row]:.17g} is not in epoch seconds (are these milliseconds?)")
    return time


def _median_step_seconds(time_seconds: NDArray[np.float64], segment: NDArray[np.int64]) -> float:
    steps = np.diff(time_seconds)
    forward = steps[(steps > 0) & (np.diff(segment) == 0)]
    if not forward.size:
        raise RecordingError("the sample period cannot be told: `time` never advances within a segment")
    return float(np.median(forward))


def _listed(names: Sequence[str] | Mapping[str, Any]) -> str:
    return ", ".join(list(names)[:12]) or "none"
