"""How long the daemon takes until it tells systemd READY, beside importing torch, which it cannot do without."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common.broker import free_port, mosquitto
from benchmarks.common.workloads import Workload
from benchmarks.throughput.contestants import MEASURED_CORE, READY_SECONDS, daemon_config, pinned


@dataclass(frozen=True, slots=True)
class Startup:
    """Wall time in seconds."""

    ready_seconds: float
    import_torch_seconds: float


def measure_startup(workload: Workload) -> Startup:
    """Start the daemon for a workload, and Python with torch, one after the other on one core.

    Raises:
        RuntimeError: the daemon does not become ready.

    """
    with tempfile.TemporaryDirectory(prefix="residuald-startup-") as folder, mosquitto() as port:
        config = Path(folder, "residuald.toml")
        config.write_text(daemon_config(port, free_port(), workload, 1000))
        began = time.monotonic()
        with pinned(MEASURED_CORE):
            subprocess.run([sys.executable, "-c", "import torch"], check=True)
            imported = time.monotonic() - began
            ready = _time_to_ready(config, Path(folder, "notify"))
    return Startup(ready, imported)


def _time_to_ready(config: Path, address: Path) -> float:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(address))
        notify.settimeout(READY_SECONDS)
        environment = {**os.environ, "NOTIFY_SOCKET": str(address)}
        command: list[str | Path] = [Path(sys.executable).with_name("residuald"), "run", "--config", config]
        began = time.monotonic()
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while b"READY=1" not in notify.recv(4096).splitlines():
                pass
            return time.monotonic() - began
        except TimeoutError:
            raise RuntimeError(f"the daemon is not ready after {READY_SECONDS:g} s") from None
        finally:
            process.terminate()
            process.wait()
