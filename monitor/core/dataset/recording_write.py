"""Recordings to bytes by the dataset contract: the other direction of `recording`, which owns the rules."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.core.dataset.recording import Recording, RecordingError, WindowSet


def recording_to_npz_bytes(recording: Recording) -> bytes:
    """Write an NPZ of samples that parses to the same recording."""
    arrays: dict[str, NDArray[Any]] = {
        "samples": recording.samples,
        "time": recording.time_seconds,
        "sample_rate_hz": np.asarray(1.0 / recording.sample_period_seconds),
        "segment": recording.segment,
    }
    return _npz_bytes(recording.channels, recording.labels, arrays)


def window_set_to_npz_bytes(window_set: WindowSet) -> bytes:
    """Write an NPZ of windows that parses to the same window set."""
    return _npz_bytes(window_set.channels, window_set.labels, {"windows": window_set.windows})


def recording_to_csv_bytes(recording: Recording) -> bytes:
    """Write a CSV that parses to the same samples, times and labels; NaN becomes an empty cell.

    Raises:
        RecordingError: the recording has several segments, which a CSV cannot say.

    """
    if (recording.segment != recording.segment[0]).any():
        raise RecordingError("a CSV cannot say where a recording breaks: write an NPZ, or one CSV per segment")
    columns = [list(map(repr, recording.time_seconds.tolist()))]
    columns += [_cells(channel) for channel in recording.samples.T]
    header = ["time", *recording.channels]
    if recording.labels is not None:
        columns.append(list(map(str, recording.labels.tolist())))
        header.append("label")
    lines = map(",".join, zip(*columns, strict=True))
    return "\n".join([",".join(header), *lines, ""]).encode("ascii")


def _cells(channel: NDArray[np.float32]) -> list[str]:
    cells: list[str] = channel.astype(np.str_).tolist()  # the shortest text that reads back as the same float32
    return ["" if cell == "nan" else cell for cell in cells]


def _npz_bytes(channels: tuple[str, ...], labels: NDArray[np.int8] | None, arrays: dict[str, NDArray[Any]]) -> bytes:
    if labels is not None:
        arrays["labels"] = labels
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, channels=np.array(channels, dtype=np.str_), **arrays)
    return file.getvalue()
