"""A process of ours beside this one, with its output in a file."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from monitor.errors import UnavailableError

_POLL_SECONDS = 0.1
_STOP_SECONDS = 10.0


class Child:
    """Runs while its `with` block does; leaving the block stops it, however that comes about.

    program: a command that is installed beside this one. It gets a session of its own, so Ctrl-C in our terminal
    reaches us alone and we can stop things in order.
    """

    def __init__(self, program: str, arguments: Sequence[str], log_file: Path, threads: int) -> None:
        self._program = program
        self._arguments = arguments
        self._log_file = log_file
        self._threads = threads
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        beside = str(Path(sys.executable).parent)
        path = shutil.which(self._program, path=os.pathsep.join((beside, os.environ.get("PATH", ""))))
        if path is None:
            raise UnavailableError(f"the command {self._program} is not installed: pip install residuald")
        with self._log_file.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603  # our own program with our own arguments, no shell
                [path, *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | {"OMP_NUM_THREADS": str(self._threads)},
                start_new_session=True,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._running()
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def ended(self) -> bool:
        """Whether it has ended by itself."""
        return self._running().poll() is not None

    def wait(self, stop: threading.Event) -> None:
        """Wait for its end, or for `stop`.

        Raises:
            UnavailableError: it failed; the message holds its last words.

        """
        self.exit_code(stop)
        self.check()

    def exit_code(self, stop: threading.Event) -> int | None:
        """Wait for its end, or for `stop`; give its exit code, None where it still runs."""
        while not self.ended() and not stop.wait(_POLL_SECONDS):
            pass
        return self._running().poll()

    def check(self) -> None:
        """Make sure that it has not failed.

        Raises:
            UnavailableError: it has; the message holds its last words.

        """
        code = self._running().poll()
        if code:
            words = "\n".join(self._log_file.read_text(errors="replace").splitlines()[-5:])
            raise UnavailableError(f"{self._program} ended with exit code {code}; see {self._log_file}:\n{words}")

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("use it in a `with` block")
        return self._process
