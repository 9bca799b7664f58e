"""MATLAB files up to version 7 (`save -v7`), where a recording is a few variables among others."""

from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
from numpy.typing import NDArray

from monitor.core.dataset.recording import Recording, RecordingError, recording_of_arrays
from monitor.core.values.names import safe_name
from monitor.readers.reading_settings import MatlabSettings

RATE_NAMES = ("fs", "rate", "samplerate", "sample_rate", "sample_rate_hz", "sampling_rate", "samplingrate")
TIME_NAMES = ("time", "t")
LABEL_NAMES = ("label", "labels", "anomaly")

Variables = dict[str, NDArray[Any]]


def read_matlab(path: Path, settings: MatlabSettings, sample_rate_hz: float | None) -> Recording:
    """Read the variables that hold a recording.

    What `settings` do not name is taken only where no other variable can be meant: sample rate, time and labels by
    their usual names, and as samples the one other variable that holds more than a number. A matrix with more columns
    than rows has a channel per row. `sample_rate_hz` serves where the file has neither rate nor time.

    Raises:
        RecordingError: not such a file, or it is not clear which variables are meant; the text lists them.
        OSError: the file cannot be read.

    """
    try:
        with path.open("rb") as file:
            found = scipy.io.loadmat(file)  # type: ignore[arg-type] # its stubs know of paths only
    except OSError:
        raise
    except NotImplementedError:
        raise RecordingError("MATLAB 7.3 files are HDF5: save it with `save -v7`") from None
    except Exception as error:  # noqa: BLE001 - scipy raises whatever its parsing stumbles over
        raise RecordingError(f"not a readable MATLAB file: {error}") from None
    variables = {
        name: value
        for name, value in found.items()
        if not name.startswith("__") and isinstance(value, np.ndarray) and value.dtype.kind in "fiub" and value.size
    }
    rate = _one("rate_hz", settings.rate_hz, RATE_NAMES, variables)
    time = _one("time", settings.time, TIME_NAMES, variables)
    labels = _one("labels", settings.labels, LABEL_NAMES, variables)
    taken = {name for name in (rate, time, labels) if name}
    channels, samples = _samples(settings.samples, variables, taken)
    arrays: Variables = {"samples": samples, "channels": np.array(channels)}
    if rate:
        arrays["sample_rate_hz"] = variables[rate]
    elif time is None and sample_rate_hz is not None:
        arrays["sample_rate_hz"] = np.array(sample_rate_hz)
    elif time is None:
        raise RecordingError(
            f"the file does not say its sample rate: give --sample-rate, or name the variable that holds rate or time "
            f"under [reading.matlab] in a settings file ({_listed(variables)})"
        )
    if time:
        arrays["time"] = variables[time].ravel()
    if labels:
        arrays["labels"] = variables[labels].ravel()
    recording = recording_of_arrays(safe_name(path.stem), arrays)
    assert isinstance(recording, Recording)  # noqa: S101 - there are `samples`
    return recording


def _one(what: str, wanted: str | None, usual: tuple[str, ...], variables: Variables) -> str | None:
    """Find the variable that holds `what`: the one wanted, or the only one with a usual name; None: there is none."""
    if wanted is not None:
        if wanted not in variables:
            raise RecordingError(f"there is no variable {wanted!r} of numbers ({_listed(variables)})")
        return wanted
    candidates = [name for name in variables if name.lower() in usual]
    if len(candidates) > 1:
        raise RecordingError(f"`{what}` may be {' or '.join(candidates)}: say which under [reading.matlab]")
    return candidates[0] if candidates else None


def _samples(wanted: tuple[str, ...], variables: Variables, taken: set[str]) -> tuple[list[str], NDArray[Any]]:
    """Channel names, and samples [n, C]."""
    names = wanted or tuple(name for name, value in variables.items() if name not in taken and value.size > 1)
    for name in names:
        if name not in variables:
            raise RecordingError(f"there is no variable {name!r} of numbers ({_listed(variables)})")
    if len(names) != 1 and not wanted:
        raise RecordingError(
            f"which variable holds the samples? Name it, or one per channel, as `samples` under [reading.matlab] in a "
            f"settings file ({_listed(variables)})"
        )
    if len(names) == 1:
        matrix = variables[names[0]]
        if matrix.ndim != 2:
            raise RecordingError(f"variable {names[0]!r} has {matrix.ndim} dimensions, expected a matrix [n, C]")
        matrix = matrix.T if matrix.shape[0] < matrix.shape[1] else matrix
        count = matrix.shape[1]
        stem = safe_name(names[0])
        return [stem] if count == 1 else [f"{stem}_{number + 1}" for number in range(count)], matrix
    columns = [variables[name].ravel() for name in names]
    if len({len(column) for column in columns}) > 1 or any(variables[name].squeeze().ndim > 1 for name in names):
        raise RecordingError(f"the channels {', '.join(names)} must be vectors of one length ({_listed(variables)})")
    return [safe_name(name) for name in names], np.column_stack(columns)


def _listed(variables: Variables) -> str:
    """The variables with their shapes, for a message."""
    listed = [f"{name} {list(value.shape)}" for name, value in list(variables.items())[:12]]
    return f"variables: {', '.join(listed) or 'none'}"
