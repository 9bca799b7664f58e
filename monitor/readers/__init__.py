"""Data files of every format to recordings. The suffix names the format; nothing is guessed from the content."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from monitor.core.dataset.recording import Recording, RecordingError, WindowSet, parse_recording
from monitor.readers.reading_settings import ReadingSettings
from monitor.settings.regular_file import check_regular, read_regular

_EXTRAS = {"wfdb": "wfdb", "pyarrow": "parquet"}  # by the package that is missing
SUFFIXES = (".csv", ".npz", ".hea", ".mat", ".parquet")


def read_file(
    path: Path, settings: ReadingSettings, sample_rate_hz: float | None = None
) -> tuple[Recording | WindowSet, str]:
    """Read one file: its content, and the SHA-256 of all bytes that it stands in.

    sample_rate_hz: of MATLAB files that do not say theirs.

    Raises:
        RecordingError: the file cannot be read, breaks the rules of its format, or needs an extra that is missing.

    """
    try:
        content, files = _read(path, settings, sample_rate_hz)
        return content, _sha256(files)
    except OSError as error:
        raise RecordingError(f"{error.filename or path}: {error.strerror or error}") from None
    except RecordingError as error:
        raise RecordingError(f"{path}: {error}") from None
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get(str(error.name))
        if extra is None:
            raise
        raise RecordingError(f"{path}: reading it needs {error.name}: pip install 'residuald[{extra}]'") from None


def _read(
    path: Path, settings: ReadingSettings, sample_rate_hz: float | None
) -> tuple[Recording | WindowSet, Sequence[Path]]:
    """Content, and the files that it stands in."""
    check_regular(path, None)
    # imported here: scipy.io, pandas (by way of wfdb) and pyarrow take long to load and may not be installed
    match path.suffix.lower():
        case ".csv" | ".npz":
            return parse_recording(path.name, read_regular(path)), [path]
        case ".hea":
            from monitor.readers.wfdb_record import files_of, read_wfdb  # noqa: PLC0415

            files = files_of(path, settings.wfdb)
            for file in files:
                check_regular(file, None)
            return read_wfdb(path, settings.wfdb), files
        case ".mat":
            from monitor.readers.matlab import read_matlab  # noqa: PLC0415

            return read_matlab(path, settings.matlab, sample_rate_hz), [path]
        case ".parquet":
            from monitor.readers.parquet import read_parquet  # noqa: PLC0415

            return read_parquet(path), [path]
        case suffix:
            raise RecordingError(f"suffix {suffix!r} is none of {', '.join(SUFFIXES)} (unpack compressed files)")


def _sha256(paths: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(read_regular(path))
    return digest.hexdigest()
