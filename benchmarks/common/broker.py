"""A Mosquitto of our own, which forgets nothing that it has to deliver and limits nobody."""

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_START_SECONDS = 10.0
_SETTINGS = """\
listener {port} 127.0.0.1
allow_anonymous true
user root
persistence false
max_queued_messages 0
max_inflight_messages 0
log_type error
log_type warning
"""


class MissingError(Exception):
    """A program that the benchmarks need is not installed; the text says how to get it."""


def free_port() -> int:
    """A TCP port that nobody has at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def mosquitto(more: str = "") -> Iterator[int]:
    """Run a Mosquitto; its port on the loopback. more: lines for its configuration.

    Raises:
        MissingError: Mosquitto is not installed, or does not start.

    """
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        raise MissingError("this benchmark needs Mosquitto: apt-get install mosquitto")
    with tempfile.TemporaryDirectory(prefix="residuald-mosquitto-") as folder:
        port = free_port()
        config, log = Path(folder, "mosquitto.conf"), Path(folder, "mosquitto.log")
        # `user root` only matters to root: else Mosquitto drops to a user that may not exist
        config.write_text(_SETTINGS.format(port=port) + more)
        with log.open("wb") as sink:
            process = subprocess.Popen([program, "-c", str(config)], stdout=sink, stderr=sink)
        try:
            wait_for_broker(port, process, log, _START_SECONDS)
            yield port
        finally:
            process.terminate()
            process.wait()


def wait_for_broker(port: int, process: subprocess.Popen[bytes], log: Path, timeout_seconds: float) -> None:
    """Wait until a broker takes connections.

    Raises:
        MissingError: it does not in time, or has ended; with the end of its log.

    """
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0):
            return
        time.sleep(0.01)
    said = log.read_text(errors="replace").strip()[-300:] or "it says nothing"
    raise MissingError(f"the broker does not start: {said}")
