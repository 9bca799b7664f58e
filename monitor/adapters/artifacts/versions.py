"""The versions in a folder: which files each of them has. Whatever else lies there is nobody's."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from monitor.core.artifact.model_folder_names import ARTIFACT_SUFFIX, CURRENT, VERSION_SUFFIXES
from monitor.core.values.names import is_name

_MOST_ENTRIES = 10_000  # in a folder; nobody keeps so many versions, and a look must end


def versions_in(folder: Path) -> list[str]:
    """The versions in a folder, in the order of their names, which begin with the time: oldest first."""
    return sorted(
        name.removesuffix(ARTIFACT_SUFFIX)
        for name in _regular_files(folder)
        if name.endswith(ARTIFACT_SUFFIX) and is_name(name.removesuffix(ARTIFACT_SUFFIX))
    )


def has_version(folder: Path, version: str) -> bool:
    """Whether a folder holds the artifact of a version, as a file of its own."""
    return is_name(version) and _is_regular(folder / f"{version}{ARTIFACT_SUFFIX}")


def files_of(folder: Path, version: str) -> list[Path]:
    """The files of a version that are there, the artifact last; links are not among them."""
    return [path for suffix in VERSION_SUFFIXES if _is_regular(path := folder / f"{version}{suffix}")]


def version_in_use(folder: Path) -> str | None:
    """The version that `current` leads to; None where it leads to none of the folder's own, or is no link."""
    try:
        target = os.readlink(folder / CURRENT)  # noqa: PTH115 - the text itself, not a path made of it
    except OSError:
        return None
    version = target.removesuffix(ARTIFACT_SUFFIX)
    return version if target.endswith(ARTIFACT_SUFFIX) and has_version(folder, version) else None


def _regular_files(folder: Path) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            for _, entry in zip(range(_MOST_ENTRIES), entries, strict=False):
                if entry.is_file(follow_symlinks=False):
                    yield entry.name
    except OSError:
        return


def _is_regular(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False
