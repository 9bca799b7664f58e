"""`residuald run`, with a wall clock that can be set wrong from outside: a file holds the seconds to add.

The clock of the machine cannot be moved for a test. Everything else is the daemon as it ships. Most of what it does
until it runs is to import torch; so a parent does that once, and forks for each daemon that is asked for.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

_LOOK_AGAIN_SECONDS = 0.1
_POLL_SECONDS = 0.005


class ShiftedClock:
    """`time.time`, wrong by what the file says."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._true_time = time.time
        self._offset_seconds = 0.0
        self._looked = -1.0

    def __call__(self) -> float:
        now = time.monotonic()
        if now - self._looked > _LOOK_AGAIN_SECONDS:
            self._looked = now
            self._offset_seconds = float(self._file.read_text() or 0)
        return self._true_time() + self._offset_seconds


class DaemonParent:
    """The parent of daemons. For one thread. log: where they, and the parent, write what they have to say."""

    def __init__(self, clock: Path, log: IO[bytes]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, clock],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=Path(__file__).parents[2],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )

    def start(self, config: Path) -> "Daemon":
        """Start a daemon with a configuration."""
        return Daemon(int(self.ask(f"start {config}")), self)

    def ask(self, request: str) -> str:
        """Let the parent do something; its answer."""
        process = self._process
        if process.stdin is None or process.stdout is None:
            raise AssertionError("both are pipes")
        process.stdin.write(f"{request}\n".encode())
        process.stdin.flush()
        return process.stdout.readline().decode().strip()

    def close(self) -> None:
        """End the parent, and each daemon that still runs with it."""
        self._process.communicate()


class Daemon:
    """A daemon that was forked."""

    def __init__(self, pid: int, parent: DaemonParent) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._parent = parent

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        if self.returncode is None:
            answer = self._parent.ask(f"poll {self.pid}")
            self.returncode = int(answer) if answer else None
        return self.returncode

    def wait(self, timeout_seconds: float) -> int | None:
        """The exit code; None if it does not end in time."""
        deadline = time.monotonic() + timeout_seconds
        while self.poll() is None and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)


def _serve(clock: Path) -> None:
    """Fork and look after the forks on request, until the input ends."""
    from monitor.adapters.engines import torchscript  # noqa: F401, PLC0415 - for those that are forked
    from monitor.daemon import app  # noqa: F401, PLC0415
    from monitor.setup import build  # noqa: F401, PLC0415

    running: set[int] = set()
    for line in sys.stdin.buffer:
        what, _, argument = line.decode().rstrip("\n").partition(" ")
        if what == "start":
            pid = os.fork()
            if pid == 0:
                _become(argument, clock)
            running.add(pid)
            answer = str(pid)
        else:
            pid, status = os.waitpid(int(argument), os.WNOHANG)
            running.discard(pid)
            answer = str(os.waitstatus_to_exitcode(status)) if pid else ""
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()
    for pid in running:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _become(config: str, clock: Path) -> None:
    """Be the daemon; does not return."""
    from monitor.cli import main  # noqa: PLC0415

    code = 1
    with contextlib.suppress(SystemExit):
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)
        os.closerange(3, 1024)
        time.time = ShiftedClock(clock)
        code = main(["run", "--config", config])
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
