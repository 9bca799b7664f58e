"""`frozen`: while it lies in a model's folder, nothing is promoted but by a person."""

import contextlib
from datetime import datetime
from pathlib import Path

from pydantic import AwareDatetime, ValidationError

from monitor.core.artifact.model_folder_names import FROZEN_FILE
from monitor.core.artifact.part import ManifestPart
from monitor.settings.regular_file import read_regular
from monitor.settings.whole_file import flush_folder, write_whole

_MAX_BYTES = 64 * 1024


class Frozen(ManifestPart):
    """Who froze a model, when and why; None: the file does not tell."""

    by: str | None = None
    at: AwareDatetime | None = None
    note: str = ""


def read_frozen(folder: Path) -> Frozen | None:
    """Who froze the model of a folder; None where it is not frozen. A file that tells nothing freezes it, too."""
    try:
        return Frozen.model_validate_json(read_regular(folder / FROZEN_FILE, _MAX_BYTES, follow_link=False))
    except FileNotFoundError:
        return None
    except (OSError, ValidationError):
        return Frozen()


def freeze(folder: Path, by: str, at: datetime, note: str) -> None:
    """Freeze the model of a folder.

    Raises:
        OSError: it cannot be written.

    """
    write_whole(folder / FROZEN_FILE, Frozen(by=by, at=at, note=note).model_dump_json().encode())


def unfreeze(folder: Path) -> None:
    """Let versions be promoted again.

    Raises:
        OSError: it cannot be removed.

    """
    with contextlib.suppress(FileNotFoundError):
        (folder / FROZEN_FILE).unlink()
        flush_folder(folder)
