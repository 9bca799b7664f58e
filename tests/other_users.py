"""Functions run as another user of this machine, in a process of their own; needs root. The numbers need no names."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

IS_ROOT = os.geteuid() == 0


class User(NamedTuple):
    """A user by number, with a group of the same number and further groups."""

    number: int
    groups: tuple[int, ...] = ()

    def become(self) -> None:
        """Take this user's rights for good."""
        os.setgroups(self.groups)
        os.setgid(self.number)
        os.setuid(self.number)


def as_user(user: User, do: Callable[[], object]) -> str:
    """What a function gives when this user runs it, as text; of an OSError and others the class and the text."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            user.become()
            try:
                told = str(do())
            except Exception as error:  # noqa: BLE001 - the test looks at it
                told = f"{type(error).__name__}: {error}"
            os.write(writing, told.encode()[:4000])
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as told_by_child:
        told = told_by_child.read().decode()
    os.waitpid(child, 0)
    return told


@contextmanager
def open_folder() -> Iterator[Path]:
    """A temporary folder that every user may enter, unlike those of the test run."""
    with tempfile.TemporaryDirectory(prefix="residuald-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
