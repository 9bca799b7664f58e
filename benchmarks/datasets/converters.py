"""Public recordings to the dataset contract of `monitor.core.dataset.recording`. Pure: arrays in, recordings out.

Each function takes the arrays of one NPZ file as it is passed around (MIT-BIH, SKAB, UCI, NAB, UCR keep their own keys)
and says what it makes of them: channels and units, times, and which samples are anomalous. Where a data set is to be
streamed it comes as a `Split`: what a model may learn from, and what is streamed past it afterwards. The two share no
sample.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.core.dataset.recording import Recording, WindowSet
from monitor.core.values.names import safe_name

Arrays = Mapping[str, NDArray[Any]]

# Where a recording has no date it gets this one (2020-09-13). Any will do that lies in the past: the daemon refuses
# samples that claim to come from the future.
UNDATED_SECONDS = 1_600_000_000.0

# Beats by the classes of ANSI/AAMI EC57: N is normal (bundle-branch and escape beats among it); the other four, S, V, F
# and Q, are what is looked for. All other annotations (rhythm changes, noise, comments) are no beats.
NORMAL_BEATS = tuple("NLRej")
ABNORMAL_BEATS = tuple("AaJS" + "VE" + "F" + "/fQ")

MITDB_LEARNING_SECONDS = 300.0
# Around the R peak of an abnormal beat so much is not normal: its P wave comes before, its T wave after.
BEAT_BEFORE_SECONDS, BEAT_AFTER_SECONDS = 0.25, 0.45

FAN_BALANCED, FAN_UNBALANCED = 3, 1  # the publisher calls 1 normal, but those are weights on neighbouring blades
FAN_LEAST_SPEED_PERCENT = 40  # below about 35 % the fan hardly shakes, balanced or not
FAN_PAUSE_SECONDS = 60.0

SKAB_LEARNING_ROWS = 400  # as the SKAB leaderboard does; faults begin around row 570


class ConversionError(ValueError):
    """The arrays are not what they should be; the text says what is missing."""


@dataclass(frozen=True, slots=True)
class Split:
    """What a model may learn from, and the streams that it judges afterwards."""

    train: tuple[Recording, ...]
    stream: tuple[Recording, ...]


def mitdb(arrays: Arrays, record: str) -> Split:
    """One record of the MIT-BIH arrhythmia database, lead MLII in mV: the first five minutes, and the rest.

    In the part to learn from, the whole extent of every abnormal beat is labelled, so that windows are normal through
    and through. In the stream only the R peak is: a window is anomalous when it holds the R peak of an abnormal beat.
    """
    signal, peaks, symbols = (_get(arrays, f"{key}_{record}") for key in ("sig", "ann_sample", "ann_symbol"))
    rate_hz = float(_get(arrays, "fs"))
    millivolts = (signal.astype(np.float64) - float(_get(arrays, "adc_zero"))) / float(_get(arrays, "adc_gain"))
    abnormal = peaks[np.isin(symbols, ABNORMAL_BEATS)].astype(np.int64)
    at_peak = np.zeros(len(signal), np.int8)
    at_peak[abnormal] = 1
    around = np.zeros(len(signal) + 1, np.int64)
    np.add.at(around, np.maximum(abnormal - round(BEAT_BEFORE_SECONDS * rate_hz), 0), 1)
    np.add.at(around, np.minimum(abnormal + round(BEAT_AFTER_SECONDS * rate_hz), len(signal)), -1)
    extent = (np.cumsum(around[:-1]) > 0).astype(np.int8)
    learning = round(MITDB_LEARNING_SECONDS * rate_hz)
    if len(signal) <= learning:
        raise ConversionError(f"record {record} ends within the {MITDB_LEARNING_SECONDS:g} s that are learnt from")

    def part(rows: slice, labels: NDArray[np.int8]) -> Recording:
        time_seconds = UNDATED_SECONDS + np.arange(len(signal))[rows] / rate_hz
        return _recording(f"mitdb-{record}", ("mlii",), millivolts[rows, None], time_seconds, 1 / rate_hz, labels[rows])

    return Split((part(slice(learning), extent),), (part(slice(learning, None), at_peak),))


def fan(arrays: Arrays) -> Split:
    """The UCI fan motor, three-axis acceleration in g, at speeds from 40 %.

    Learnt from: the first two thirds of the balanced run at each speed. One stream per speed: the last third of the
    balanced run, a pause in which the weights are moved, then the unbalanced run, all of it anomalous.
    """
    xyz, config, speed, position = (_get(arrays, key) for key in ("xyz", "config", "speed_pct", "pos"))
    rate_hz = float(_get(arrays, "fs"))
    channels = ("acc_x", "acc_y", "acc_z")
    train, stream = [], []
    for percent in np.unique(speed[speed >= FAN_LEAST_SPEED_PERCENT]).tolist():
        balanced, unbalanced = (
            np.flatnonzero((speed == percent) & (config == kind)) for kind in (FAN_BALANCED, FAN_UNBALANCED)
        )
        if any(not len(run) or (np.diff(position[run]) != 1).any() for run in (balanced, unbalanced)):
            raise ConversionError(f"the runs at {percent} % are not two unbroken ones, balanced and unbalanced")
        learning, kept = np.split(balanced, [len(balanced) * 2 // 3])
        name = f"fan-{percent:03d}"
        times = UNDATED_SECONDS + np.arange(len(balanced)) / rate_hz
        train.append(_recording(name, channels, xyz[learning], times[: len(learning)], 1 / rate_hz))
        fault_seconds = times[-1] + FAN_PAUSE_SECONDS + np.arange(len(unbalanced)) / rate_hz
        fault = np.repeat(np.array([0, 1], np.int8), [len(kept), len(unbalanced)])
        stream.append(
            _recording(
                name,
                channels,
                xyz[np.concatenate([kept, unbalanced])],
                np.concatenate([times[len(learning) :], fault_seconds]),
                1 / rate_hz,
                labels=fault,
                segment=fault.astype(np.int64),
            )
        )
    return Split(tuple(train), tuple(stream))


def skab(arrays: Arrays, group: str) -> Split:
    """The SKAB water pump, eight channels at about 1 Hz: the first 400 rows of each file of `group`, and the rest."""
    channels = tuple(safe_name(str(column)) for column in _get(arrays, "columns"))
    files = [str(file) for file in _get(arrays, "files") if str(file).startswith(f"{group}/")]
    if not files:
        raise ConversionError(f"no file of group {group!r}; there are {', '.join(map(str, arrays['files']))}")
    train: list[Recording] = []
    stream: list[Recording] = []
    for file in files:
        key = file.replace("/", "_")
        rows, time, anomaly = (_get(arrays, f"{kind}_{key}") for kind in ("X", "time", "anomaly"))
        for parts, cut in ((train, slice(SKAB_LEARNING_ROWS)), (stream, slice(SKAB_LEARNING_ROWS, None))):
            name = f"skab-{file.replace('/', '-')}"
            parts.append(_recording(name, channels, rows[cut], time[cut], 1.0, anomaly[cut]))
    return Split(tuple(train), tuple(stream))


def skab_normal(arrays: Arrays) -> tuple[Recording, ...]:
    """The same pump in hours of normal operation."""
    channels = tuple(safe_name(str(column)) for column in _get(arrays, "columns"))
    return (_recording("skab-normal", channels, _get(arrays, "X"), _get(arrays, "time"), 1.0),)


def svdb(arrays: Arrays) -> tuple[Recording, ...]:
    """Records of the MIT-BIH supraventricular arrhythmia database in mV, with point labels."""
    rate_hz = float(_get(arrays, "fs"))
    recordings = []
    for record in map(str, _get(arrays, "records")):
        signal, labels = _get(arrays, f"sig_{record}"), _get(arrays, f"anomaly_{record}")
        time_seconds = UNDATED_SECONDS + np.arange(len(signal)) / rate_hz
        recordings.append(_recording(f"svdb-{record}", ("ecg",), signal[:, None], time_seconds, 1 / rate_hz, labels))
    return tuple(recordings)


def nab(arrays: Arrays) -> tuple[Recording, ...]:
    """Series of the Numenta benchmark, every five minutes; anomalous inside its windows. A time axis may step back."""
    recordings = []
    for file in map(str, _get(arrays, "files")):
        time, value, windows = (_get(arrays, f"{key}_{file}") for key in ("time", "value", "windows"))
        inside = ((time[:, None] >= windows[:, 0]) & (time[:, None] <= windows[:, 1])).sum(axis=1) > 0
        name = safe_name(f"nab-{file}")
        recordings.append(_recording(name, ("value",), value[:, None], time, 300.0, inside))
    return tuple(recordings)


def ecg5000(arrays: Arrays) -> tuple[WindowSet, ...]:
    """Heartbeats of ECG5000, one per window and each already normalized; every class but 1 is anomalous."""
    return tuple(
        WindowSet(
            f"ecg5000-{part}",
            ("ecg",),
            _get(arrays, f"X_{part}")[:, None, :].astype(np.float32),
            (_get(arrays, f"y_{part}") != 1).astype(np.int8),
        )
        for part in ("train", "test")
    )


def hydraulic(arrays: Arrays) -> tuple[WindowSet, ...]:
    """Load cycles of the UCI hydraulic rig, 60 s at 1 Hz; anomalous when the cooler works below its full efficiency."""
    columns = [str(column) for column in _get(arrays, "profile_columns")]
    cooler = _get(arrays, "profile")[:, columns.index("cooler_pct")]
    windows = _get(arrays, "X").transpose(0, 2, 1).astype(np.float32)  # [N, 60, C] -> [N, C, 60]
    channels = tuple(safe_name(str(channel)) for channel in _get(arrays, "channels"))
    return (WindowSet("hydraulic", channels, windows, (cooler < 100).astype(np.int8)),)


def _recording(
    name: str,
    channels: tuple[str, ...],
    samples: NDArray[Any],
    time_seconds: NDArray[Any],
    sample_period_seconds: float,
    labels: NDArray[Any] | None = None,
    segment: NDArray[np.int64] | None = None,
) -> Recording:
    return Recording(
        name,
        channels,
        samples.astype(np.float32),
        time_seconds.astype(np.float64),
        sample_period_seconds,
        None if labels is None else labels.astype(np.int8),
        np.zeros(len(samples), np.int64) if segment is None else segment,
    )


def _get(arrays: Arrays, key: str) -> NDArray[Any]:
    if key not in arrays:
        raise ConversionError(f"there is no `{key}`; there are {', '.join(sorted(arrays)[:12])} …")
    return arrays[key]
