"""WFDB records, as PhysioNet keeps them: a header `.hea`, signal files, and beat annotations that become labels."""

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import wfdb
from numpy.typing import NDArray

from monitor.core.dataset.recording import Recording, RecordingError, recording_of_arrays
from monitor.core.values.names import safe_name
from monitor.readers.reading_settings import WfdbSettings


def read_wfdb(header: Path, settings: WfdbSettings) -> Recording:
    """Read a record by its header file, in physical units; signals are channels, an invalid sample is NaN.

    Time is that of the header where it has date and time, else seconds from 0. Samples that belong to an abnormal beat
    are labelled 1 (see `WfdbSettings`).

    Raises:
        RecordingError: the record is damaged, or its signals are not sampled alike.
        OSError: one of its files cannot be read.

    """
    record_name = str(header.with_suffix(""))
    try:
        record = wfdb.rdrecord(record_name)
        annotation = wfdb.rdann(record_name, settings.annotator) if annotations_of(header, settings).exists() else None
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 - wfdb raises whatever its parsing stumbles over
        raise RecordingError(f"not a readable WFDB record: {error}") from None
    if record.p_signal is None or not len(record.p_signal):
        raise RecordingError("the record holds no samples")
    rate_hz = float(record.fs)
    arrays: dict[str, NDArray[Any]] = {
        "samples": record.p_signal,
        "channels": np.array([safe_name(name) for name in record.sig_name]),
        "sample_rate_hz": np.array(rate_hz),
    }
    if isinstance(record.base_datetime, dt.datetime):
        start = record.base_datetime.replace(tzinfo=dt.UTC).timestamp()
        arrays["time"] = start + np.arange(len(record.p_signal)) / rate_hz
    if annotation is not None:
        arrays["labels"] = _labels(annotation, len(record.p_signal), rate_hz, settings)
    recording = recording_of_arrays(safe_name(header.stem), arrays)
    assert isinstance(recording, Recording)  # noqa: S101 - there are `samples`
    return recording


def annotations_of(header: Path, settings: WfdbSettings) -> Path:
    """Where a record's annotations would lie."""
    return header.with_suffix(f".{settings.annotator}")


def files_of(header: Path, settings: WfdbSettings) -> list[Path]:
    """All files of a record that has been read: the header, its signal files, and the annotations if there are any."""
    lines = [line.split() for line in header.read_text(encoding="ascii", errors="replace").splitlines()]
    named = [words[0] for words in lines if words and not words[0].startswith("#")][1:]
    signals = [header.parent / name for name in dict.fromkeys(named)]
    annotations = annotations_of(header, settings)
    # in a header of several segments the names are those of other headers; their samples are not hashed
    return [header, *(path for path in (*signals, annotations) if path.is_file())]


def _labels(annotation: Any, count: int, rate_hz: float, settings: WfdbSettings) -> NDArray[np.int8]:
    """Mark the extent of every abnormal beat: int8 [count]."""
    abnormal = np.asarray(annotation.sample, np.int64)[np.isin(annotation.symbol, list(settings.abnormal_beats))]
    edges = np.zeros(count + 1, np.int64)
    np.add.at(edges, np.clip(abnormal - round(settings.before_seconds * rate_hz), 0, count), 1)
    np.add.at(edges, np.clip(abnormal + round(settings.after_seconds * rate_hz) + 1, 0, count), -1)
    return (np.cumsum(edges[:-1]) > 0).astype(np.int8)
