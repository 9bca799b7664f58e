"""The real daemon as a process, and small artifacts for it, made by the real trainer."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from tests.broker import PATIENCE_SECONDS, Broker, wait_until
from tests.forked import ForkedProcess, check_forked
from tests.repository import ROOT

BIN = Path(sys.executable).parent
_AT_START = ("PYTHON", "OMP_", "MALLOC_", "LD_")  # variables that a program reads when it starts, not later
RATE_HZ = 100.0
LENGTH = 64


def wave(start: int, count: int, amplitude: float = 1.0, seed: int = 0) -> np.ndarray:
    """Samples [count, 2] of a machine that hums: `amplitude` 1 is what the model knows."""
    at = np.arange(start, start + count) / RATE_HZ
    rng = np.random.default_rng((seed, start))
    rows = np.stack([np.sin(2 * np.pi * 5 * at), np.cos(2 * np.pi * 5 * at)], axis=1)
    rows[:, 0] *= amplitude
    return rows + rng.normal(0, 0.05, rows.shape)


def fit_model(folder: Path, name: str, seed: int, extra: str = "") -> Path:
    """Fit a small linear model on waves; the model's folder. extra: more of the trainer's settings."""
    folder.mkdir(exist_ok=True)
    data, model = folder / f"{name}.npz", folder / "models" / name
    np.savez(data, samples=wave(0, 12000, seed=seed).astype(np.float32), channels=["a", "b"], sample_rate_hz=RATE_HZ)
    plain = folder / f"{name}.toml"  # a threshold that a few windows can carry, whatever the trainer would choose
    plain.write_text('[representation]\nkind = "raw"\n[calibration]\nrule = "quantile"\n' + extra)
    settings: list[str | Path] = ["--config", plain, "--family", "pca", "--window", str(LENGTH), "--stride", "32"]
    check_forked("residuald-trainer", "fit", "--data", data, "--out", model, *settings)
    return model


def config_text(broker_port: int, model: Path, extra: str = "", qos: int = 1, mqtt: str = "") -> str:
    return f"""
[mqtt]
host = "127.0.0.1"
port = {broker_port}
{mqtt}
[http]
port = 0
[log]
format = "json"
[[model]]
name = "hum"
path = "{model}"
max_batch = 64
[[source]]
name = "machines"
topic = "plant/{{site}}/{{device}}/hum"
model = "hum"
qos = {qos}
format = {{ kind = "json", timestamp = "ts", rows = "rows" }}
{extra}
"""


class Daemon:
    """`residuald run` on a configuration file; `program` is another version's `residuald`."""

    def __init__(self, config: Path, program: Path = BIN / "residuald", /, **environment: str) -> None:
        self.config = config
        self.log_file = config.with_suffix(".log")
        arguments: list[str | Path] = ["run", "--config", config]
        environment = {"PATH": "/usr/bin", **environment}
        with self.log_file.open("wb") as log, Path(os.devnull).open("wb") as nowhere:
            self.process: subprocess.Popen[bytes] | ForkedProcess
            if program == BIN / "residuald" and not any(name.startswith(_AT_START) for name in environment):
                command: list[str | Path] = [program.name, *arguments]
                self.process = ForkedProcess(command, nowhere.fileno(), log.fileno(), environment)
            else:
                self.process = subprocess.Popen([program, *arguments], stderr=log, env=environment)

    def log(self) -> list[dict[str, object]]:
        lines = self.log_file.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def event(self, name: str) -> dict[str, object] | None:
        return next((entry for entry in self.log() if entry["event"] == name), None)

    def wait_running(self) -> "Daemon":
        wait_until(lambda: self.process.poll() is not None or self.event("running") is not None, "the daemon runs")
        assert self.process.poll() is None, self.log_file.read_text()
        return self

    def wait_connected(self) -> "Daemon":
        self.wait_running()
        wait_until(lambda: self.value("residuald_mqtt_connected") == 1, "the daemon is connected")
        return self

    def get(self, path: str) -> tuple[int, str]:
        running = self.event("running")
        assert running is not None
        with contextlib.closing(_open(f"http://{running['http']}{path}")) as response:
            return response.status, response.read().decode()

    def metrics(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        found = {}
        for family in text_string_to_metric_families(self.get("/metrics")[1]):
            for sample in family.samples:
                found[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
        return found

    def value(self, name: str, **labels: str) -> float | None:
        """The metric's value with just these labels; None while there is none."""
        return self.metrics().get((name, tuple(sorted(labels.items()))))

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(PATIENCE_SECONDS)


class SabotagedDaemon(Daemon):
    """`residuald run` with a few lines of Python run before it, which break a part of it."""

    def __init__(self, config: Path, sabotage: str, **environment: str) -> None:
        self.config = config
        self.log_file = config.with_suffix(".log")
        program = f"{sabotage}\nimport sys\nfrom monitor.cli import main\nsys.exit(main(sys.argv[1:]))"
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", program, "run", "--config", config],
                stderr=log,
                env={"PATH": "/usr/bin", **environment},
                cwd=ROOT,
            )


def _open(url: str) -> "urllib.request._UrlopenRet":
    try:
        return urllib.request.urlopen(url, timeout=PATIENCE_SECONDS)
    except urllib.error.HTTPError as error:  # a 503 is an answer too
        return error


@contextlib.contextmanager
def running_daemon(folder: Path, broker: Broker, model: Path, **settings: Any) -> Iterator[Daemon]:
    config = folder / "monitor.toml"
    config.write_text(config_text(broker.port, model, **settings))
    daemon = Daemon(config)
    try:
        yield daemon.wait_connected()
    finally:
        daemon.stop()
