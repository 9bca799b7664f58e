"""Simulated recordings as files by the dataset contract."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from monitor.core.dataset.recording_write import recording_to_csv_bytes, recording_to_npz_bytes
from monitor.errors import OutputError
from monitor.simulators.bursts import bursts_of
from monitor.simulators.fault import Episode
from monitor.simulators.simulator import Simulator

_WRITERS = {".npz": recording_to_npz_bytes, ".csv": recording_to_csv_bytes}
SUFFIXES = tuple(_WRITERS)


def numbered(path: Path, devices: int) -> list[Path]:
    """One path per device: `path` itself for one, `name-1.npz`, `name-2.npz`, … for several."""
    if devices == 1:
        return [path]
    return [path.with_stem(f"{path.stem}-{number}") for number in range(1, devices + 1)]


def write_files(
    paths: Sequence[Path],
    simulators: Sequence[Simulator],
    seconds: float,
    console: Console,
    bursts: tuple[float, float] | None = None,
) -> list[tuple[Episode, ...]]:
    """Record `seconds` of each simulator into its file (`.npz` or `.csv`), with a progress bar on `console`.

    bursts: keep only so many seconds of every so many. Returns the episodes of each file's faults. A file appears whole
    or not at all.

    Raises:
        OutputError: a file cannot be written.
        ValueError: the bursts do not fit, or the file is a CSV, which cannot hold bursts.

    """
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    episodes = []
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=sum(round(seconds * simulator.sample_rate_hz) for simulator in simulators))
        for path, simulator in zip(paths, simulators, strict=True):
            progress.update(task, description=f"simulating {path.name}")
            recording, shown = simulator.record(seconds, path.stem, lambda done: progress.advance(task, done))
            if bursts is not None:
                recording = bursts_of(recording, *bursts)
            progress.update(task, description=f"writing {path.name}")
            _write(path, _WRITERS[path.suffix](recording))
            episodes.append(shown)
    return episodes


def _write(path: Path, data: bytes) -> None:
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from error
