"""The lock of refits: one at a time for each model's folder, also of several timers and people."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from monitor.core.artifact.model_folder_names import CANDIDATES
from trainer.errors import OutputError

LOCK_FILE = ".refit.lock"  # among the candidates: nothing else in the folder is the trainer's to write


@contextmanager
def refit_locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a model's folder.

    Raises:
        OutputError: another refit holds it, or the folder cannot be written.

    """
    inbox = folder / CANDIDATES
    try:
        inbox.mkdir(exist_ok=True)
        descriptor = _open(inbox / LOCK_FILE)
    except OSError as error:
        raise OutputError(f"cannot write {error.filename or inbox}: {error.strerror}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise OutputError(f"{folder}: another refit of this model is running; wait until it is done") from None
    finally:
        os.close(descriptor)


def _open(file: Path) -> int:
    flags = os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open(file, os.O_RDWR | os.O_CREAT | flags, 0o644)
    except PermissionError:  # another user made it, such as a person who tried a refit
        return os.open(file, os.O_RDONLY | flags)
