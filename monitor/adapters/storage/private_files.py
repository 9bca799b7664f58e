"""Private files: what the daemon keeps on the disk is for its own user alone.

It holds telemetry, and whoever could write it could forge alerts. Files are made 0600 in folders 0700. What is there
already and open to others is tightened; a folder that holds other things, too, is warned of.
"""

import errno
import os
import stat
from pathlib import Path

import structlog

log = structlog.get_logger()

_FOLDER_MODE = 0o700
_FILE_MODE = 0o600
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def open_private(path: str, flags: int) -> int:
    """Open a file that none but our user may read, through no link: an `opener` for `open`.

    Raises:
        OSError: it cannot be opened, or belongs to somebody else and is open to others.

    """
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, _FILE_MODE)
    try:
        _make_private(descriptor, path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def make_private_folder(folder: Path, ours: tuple[str, ...]) -> None:
    """Make a folder for our user alone, and those above it as the system makes them.

    ours: how the names of our files begin. A folder that is there, open to others and without any other file is
    tightened.

    Raises:
        OSError: it cannot be made.

    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.mkdir(_FOLDER_MODE)
    except FileExistsError:
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from None
        if all(name.startswith(ours) for name in os.listdir(folder)):  # noqa: PTH208 - names alone
            tighten(folder, _FOLDER_MODE)
        elif (mode := _mode(folder)) & _OTHERS:
            log.warning("the journal's folder is open to others", folder=str(folder), mode=f"{mode:04o}")


def tighten(path: Path, mode: int = _FILE_MODE) -> None:
    """Take a file or folder from others, where it is there and open to them; warn where that cannot be done."""
    try:
        if not path.is_symlink() and _mode(path) & _OTHERS:
            path.chmod(mode)
    except FileNotFoundError:
        return
    except OSError as error:
        log.warning("what the journal keeps is open to others", path=str(path), reason=error.strerror)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _make_private(descriptor: int, path: str) -> None:
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "is not a regular file", path)
    if mode & _OTHERS:
        os.fchmod(descriptor, _FILE_MODE)
