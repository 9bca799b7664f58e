"""The lock of a model's folder: one at a time changes what is in use."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from monitor.core.artifact.model_folder_names import LOCK_FILE


class LockedError(Exception):
    """Somebody else changes what is in use; nothing was changed."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a model's folder. It goes with the process, so that none is left behind.

    Raises:
        LockedError: somebody else holds it.
        OSError: the folder cannot be written.

    """
    path = folder / LOCK_FILE
    flags = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | flags, 0o644)
        with contextlib.suppress(PermissionError):  # what another user made may be open to all as it is
            os.fchmod(descriptor, 0o644)  # whatever the umask: a person and the daemon are two users
    except PermissionError:  # another user made it, and whoever may change the folder may lock it
        descriptor = os.open(path, os.O_RDONLY | flags)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise LockedError(f"{folder}: somebody else is changing which version is in use; try again") from None
    try:
        yield
    finally:
        os.close(descriptor)
