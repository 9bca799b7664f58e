"""The anchor's data: the recordings that the first model of a folder was fitted to, kept beside it.

They are thinned to a stated size, in stretches spread evenly over each recording, so that what is rare in them stays
as rare. Refits learn at least a third from them, and the gate measures on their last part.
"""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from monitor.core.artifact.model_folder_names import ANCHOR_DATA
from monitor.core.dataset.recording import Recording, RecordingError, WindowSet
from monitor.core.dataset.recording_write import recording_to_npz_bytes, window_set_to_npz_bytes
from monitor.core.values.names import safe_name
from monitor.readers import SUFFIXES, read_file
from monitor.readers.reading_settings import ReadingSettings
from monitor.settings.regular_file import read_regular
from monitor.settings.whole_file import flush_folder, write_whole
from trainer.data.cutting import DataFile
from trainer.data.published_alerts import Alerted
from trainer.errors import ArtifactError, OutputError
from trainer.settings import FitSettings

MOST_BYTES = 64_000_000  # of all recordings of an anchor together
PREFIX = "anchor/"  # of the names of these recordings, so that they are told from a stream's recent data
_STRETCH_WINDOWS = 32  # of a stretch: enough for a decision rule to see alerts in it

_INDEX_FILE, _SETTINGS_FILE = "recordings.json", "settings.json"


class _KeptRecording(BaseModel):
    """One recording: the file that it stands in here, and the name and the hash of the file that was given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    name: str
    sha256: str


class _Index(BaseModel):
    """Which recordings there are, and which version was fitted to them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    recordings: tuple[_KeptRecording, ...]


@dataclass(frozen=True, slots=True)
class AnchorData:
    """What the anchor was fitted to: recordings (names begin with `PREFIX`), and the settings of the fit.

    sha256 of each file is that of the file that was given to the fit, whole.
    """

    version: str
    settings: FitSettings
    files: tuple[DataFile, ...]

    def parts(self) -> tuple[list[DataFile], list[DataFile]]:
        """Of each recording what trains, and its last part, which calibrated the anchor's threshold."""
        share = 1 - self.settings.split.calibration
        return [part_of(file, 0.0, share) for file in self.files], [part_of(file, share, 1.0) for file in self.files]


def keep_anchor_data(
    folder: Path,
    version: str,
    files: Sequence[DataFile],
    settings: FitSettings,
    window_length: int,
    alerts: Sequence[Alerted] = (),
    most_bytes: int = MOST_BYTES,
) -> None:
    """Write the recordings beside the model of `folder`, in the place of those that were there.

    What shares time with one of the `alerts` is labelled anomalous, so that no refit learns it either.

    Raises:
        OutputError: the folder cannot be written.

    """
    share = min(1.0, most_bytes / max(1, sum(_nbytes(file.content) for file in files)))
    target = folder / ANCHOR_DATA
    try:
        folder.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(dir=folder, prefix=f".{ANCHOR_DATA}."))
        try:
            kept = []
            for number, file in enumerate(files):
                content = _thinned(_labelled(file, alerts), share, window_length)
                name = f"{number:04}.npz"
                write_whole(beside / name, _to_bytes(content))
                kept.append(_KeptRecording(file=name, name=file.name, sha256=file.sha256))
            index = _Index(version=version, recordings=tuple(kept))
            write_whole(beside / _INDEX_FILE, index.model_dump_json(indent=1).encode())
            write_whole(beside / _SETTINGS_FILE, settings.model_dump_json(indent=1, exclude_unset=True).encode())
            beside.chmod(0o755)
            shutil.rmtree(target, ignore_errors=True)
            beside.rename(target)
            flush_folder(folder)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
    except OSError as error:
        raise OutputError(f"cannot write {error.filename or target}: {error.strerror}") from None


def read_anchor_data(folder: Path) -> AnchorData | None:
    """Read what `keep_anchor_data` left beside the model of `folder`; None where nothing was kept.

    Raises:
        ArtifactError: what is there cannot be used.

    """
    source = folder / ANCHOR_DATA
    try:
        index = _Index.model_validate_json(read_regular(source / _INDEX_FILE))
        settings = FitSettings.model_validate_json(read_regular(source / _SETTINGS_FILE))
        files = []
        for kept in index.recordings:
            content, _ = read_file(source / PurePath(kept.file).name, ReadingSettings())
            content = replace(content, name=stream_of(kept.name))
            files.append(DataFile(PREFIX + kept.name, kept.sha256, content))
    except FileNotFoundError:
        if source.exists():
            raise ArtifactError(f"{source} is not whole: remove it, or fit the first model anew") from None
        return None
    except (OSError, ValidationError, RecordingError) as error:
        text = " ".join(str(error).split())
        raise ArtifactError(f"{source} cannot be used: {text}; remove it, or fit the first model anew") from None
    return AnchorData(index.version, settings, tuple(files))


def stream_of(file_name: str) -> str:
    """The stream that a data file is of, as far as its name tells: without folder and suffix."""
    name = file_name.removeprefix(PREFIX)
    path = PurePath(name)
    return safe_name(path.stem) if path.suffix.lower() in SUFFIXES else name


def part_of(file: DataFile, begin: float, end: float) -> DataFile:
    """The part of a recording between two shares (0 to 1) of its samples or windows."""
    content = file.content
    count = len(content.windows if isinstance(content, WindowSet) else content.samples)
    return replace(file, content=_rows(content, np.arange(round(begin * count), round(end * count))))


def _labelled(file: DataFile, alerts: Sequence[Alerted]) -> Recording | WindowSet:
    content = file.content
    if isinstance(content, WindowSet):
        return content
    time, found = content.time_seconds, np.zeros(len(content.samples), np.bool_)
    for alert in alerts:
        if alert.stream == stream_of(file.name):
            found |= (time >= alert.from_seconds) & (time <= alert.until_seconds)
    if not found.any():
        return content
    labels = np.zeros(len(found), np.int8) if content.labels is None else content.labels
    return replace(content, labels=np.where(found, np.int8(1), labels))


def _thinned(content: Recording | WindowSet, share: float, window_length: int) -> Recording | WindowSet:
    """About `share` of a recording, in stretches spread evenly over it; each is a segment of its own."""
    windows = isinstance(content, WindowSet)
    count = len(content.windows if isinstance(content, WindowSet) else content.samples)
    length = max(1, _STRETCH_WINDOWS * (1 if windows else window_length))
    stretches = int(share * count / length)
    if share >= 1 or count <= length:
        return content
    # of a recording of which not even one stretch may be kept, one is: a stream that is missing cannot be compared
    starts = np.linspace(0, count - length, max(1, stretches)).round().astype(np.int64)
    rows = (starts[:, None] + np.arange(length)).ravel()
    kept = _rows(content, np.unique(rows))
    if isinstance(kept, WindowSet):
        return kept
    opens = np.diff(np.unique(rows), prepend=rows[:1]) > 1
    return replace(kept, segment=kept.segment + np.cumsum(opens))


def _rows(content: Recording | WindowSet, rows: NDArray[np.int64]) -> Recording | WindowSet:
    labels = None if content.labels is None else content.labels[rows]
    if isinstance(content, WindowSet):
        return replace(content, windows=content.windows[rows], labels=labels)
    return replace(
        content,
        samples=content.samples[rows],
        time_seconds=content.time_seconds[rows],
        labels=labels,
        segment=content.segment[rows],
    )


def _nbytes(content: Recording | WindowSet) -> int:
    if isinstance(content, WindowSet):
        return content.windows.nbytes
    return content.samples.nbytes + content.time_seconds.nbytes + content.segment.nbytes


def _to_bytes(content: Recording | WindowSet) -> bytes:
    return window_set_to_npz_bytes(content) if isinstance(content, WindowSet) else recording_to_npz_bytes(content)
