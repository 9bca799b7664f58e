"""The manifest of an artifact, read out of its archive: nothing in it is opened or run, and torch is not needed."""

import io
import zipfile
from pathlib import Path

from monitor.core.artifact.manifest import MANIFEST_FILE, Manifest, ManifestError, parse_manifest
from monitor.settings.regular_file import read_regular

_MAX_BYTES = 2**30
_MAX_MANIFEST_BYTES = 256 * 2**20
_INSIDE = f"/extra/{MANIFEST_FILE}"  # behind the archive's own name


def read_manifest(file: Path) -> Manifest | None:
    """The manifest in an artifact; None where there is none that can be read."""
    try:
        data = read_regular(file, _MAX_BYTES, follow_link=False)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            (inside,) = [each for each in archive.infolist() if each.filename.endswith(_INSIDE)]
            if inside.file_size > _MAX_MANIFEST_BYTES:
                return None
            return parse_manifest(archive.read(inside).decode())
    except (OSError, ValueError, zipfile.BadZipFile, ManifestError, NotImplementedError, RuntimeError):
        return None  # RuntimeError: encrypted
