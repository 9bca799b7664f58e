"""Files written whole: a reader sees the old content or the new one, never a part, also after a power cut."""

import os
import tempfile
from pathlib import Path


def write_whole(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write beside the target, flush to the disk, then take the target's name. mode: the file's, whatever the umask.

    Raises:
        OSError: it cannot be written; the target is as it was, and nothing is left beside it.

    """
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), mode)
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
    flush_folder(path.parent)


def point_link(link: Path, target: str) -> None:
    """Let a link lead to another target, in one step.

    Raises:
        OSError: it cannot be moved; it is as it was.

    """
    temporary = link.with_name(f".{link.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    try:
        temporary.replace(link)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    flush_folder(link.parent)


def flush_folder(folder: Path) -> None:
    """Flush a folder: a rename is on the disk only once its folder is."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
