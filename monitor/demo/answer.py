"""A command that is run to its end: what it printed, and its exit code."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from monitor.demo.child import Child
from monitor.errors import UnavailableError


class Answer(NamedTuple):
    """What a command printed, line by line, and its exit code; None: it was stopped."""

    lines: tuple[str, ...]
    exit_code: int | None


def ask(program: str, arguments: Sequence[str], log_file: Path, stop: threading.Event, fine: Sequence[int]) -> Answer:
    """Run a command to its end, or until `stop`. fine: exit codes that are no failure.

    Raises:
        UnavailableError: it failed; the message holds its last words.

    """
    with Child(program, arguments, log_file, threads=1) as child:
        code = child.exit_code(stop)
    lines = tuple(log_file.read_text(errors="replace").splitlines())
    if code is not None and code not in fine:
        raise UnavailableError(f"{program} {arguments[0]} ended with exit code {code}:\n" + "\n".join(lines[-5:]))
    return Answer(lines, code)
