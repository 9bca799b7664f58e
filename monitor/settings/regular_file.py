"""Regular files: what somebody else named or put there is looked at before it is read.

Opening a FIFO waits for a writer, a device may never end, and a sparse file takes no room on a disk and all of it in
memory. Every refusal is an `OSError` whose `strerror` can stand in a sentence.
"""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

# More than any settings file, secret or bundle of certificates needs
MAX_SETTINGS_BYTES = 16 * 2**20

_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def open_regular(path: Path, max_bytes: int | None = None, *, follow_link: bool = True) -> BinaryIO:
    """Open a regular file for reading, without a wait and with nothing read.

    max_bytes: a larger file is refused; None: any size. follow_link: whether the last part of the path may be a link.

    Raises:
        OSError: it is no regular file, is too large, or cannot be opened.

    """
    require_regular(path, max_bytes, follow_link=follow_link)  # a FIFO is not even opened: its writers would notice
    link = 0 if follow_link else os.O_NOFOLLOW
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY | link)
    try:
        _require(path, os.fstat(descriptor), max_bytes)  # the name may stand for another file by now
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: Path, max_bytes: int | None = None, *, follow_link: bool = True) -> bytes:
    """Read a regular file; arguments and errors as for `open_regular`."""
    with open_regular(path, max_bytes, follow_link=follow_link) as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(size)
        if file.read(1):  # somebody is writing it: how much there will be is not known
            raise OSError(errno.EBUSY, "grew while it was read", str(path))
        return data


def check_regular(path: Path, max_bytes: int | None = MAX_SETTINGS_BYTES) -> None:
    """Look at a file that a library is about to read by its name; arguments and errors as for `open_regular`."""
    open_regular(path, max_bytes).close()


def require_regular(path: Path, max_bytes: int | None = None, *, follow_link: bool = True) -> None:
    """Look at a file without opening it; arguments and errors as for `open_regular`."""
    _require(path, path.stat(follow_symlinks=follow_link), max_bytes)


def resolved_inside(folder: Path, file: Path) -> Path:
    """The file that a path leads to, all links followed, which must lie in the folder or below.

    Raises:
        OSError: there is none, or a link leads out of the folder or in a circle.

    """
    try:
        root, found = folder.resolve(strict=True), file.resolve(strict=True)
    except RuntimeError:  # Python before 3.13 has this for a circle of links
        raise OSError(errno.ELOOP, "its links lead in a circle", str(file)) from None
    if not found.is_relative_to(root):
        raise OSError(errno.ELOOP, f"a link leads out of its folder, to {found}", str(file))
    return found


def _require(path: Path, status: os.stat_result, max_bytes: int | None) -> None:
    mode = status.st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if stat.S_ISLNK(mode):
        raise OSError(errno.ELOOP, "is a link; put the file itself there", str(path))
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "of another kind")
        raise OSError(errno.EINVAL, f"is {kind}, not a regular file", str(path))
    if max_bytes is not None and status.st_size > max_bytes:
        size = f"is too large: {status.st_size:,} bytes, at most {max_bytes:,} are read"
        raise OSError(errno.EFBIG, size, str(path))
