"""Programs forked from a process that has imported everything already: a start costs a tenth of what it costs else.

Most of what a daemon does until it runs is to import torch, and the trainer imports scipy and matplotlib too. A parent
(`forking_parent.py`) does that once for each worker of the tests, and forks for every program. What runs in the fork
is `residuald` or `residuald-trainer` as the installed program runs it.
"""

import atexit
import contextlib
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path


class ForkedProcess:
    """A forked program, with as much of `subprocess.Popen` as tests use."""

    def __init__(self, command: Sequence[str | Path], stdout: int, stderr: int, environment: Mapping[str, str]) -> None:
        self.returncode: int | None = None
        self._parent = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._parent.connect(_address())
        request = {"command": list(map(str, command)), "environment": dict(environment), "cwd": str(Path.cwd())}
        socket.send_fds(self._parent, [json.dumps(request).encode()], [stdout, stderr])
        self.pid = int(self._parent.recv(64))

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; the exit code, as `poll` gives it."""
        if self.returncode is None:
            self._parent.settimeout(timeout or (None if timeout is None else 1e-6))
            try:
                self.returncode = int(self._parent.recv(64))
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired("a forked program", timeout or 0.0) from None
            self._parent.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


def run_forked(program: str, *arguments: str | Path, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """Run `residuald` or `residuald-trainer` to its end; what it wrote and its exit code."""
    with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
        process = ForkedProcess([program, *arguments], stdout.fileno(), stderr.fileno(), os.environ)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        stdout.seek(0)
        stderr.seek(0)
        return subprocess.CompletedProcess([program, *map(str, arguments)], code, stdout.read(), stderr.read())


def check_forked(program: str, *arguments: str | Path) -> str:
    """As `run_forked`, for what has to succeed; what it wrote to standard output."""
    done = run_forked(program, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


@functools.cache
def _address() -> str:
    """Start the parent; the address at which it takes requests."""
    address = f"\0residuald-tests-{os.getpid()}"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.forking_parent", address[1:]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PATH": "/usr/bin"},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    atexit.register(process.communicate)  # which closes its input: it ends with us
    return address
