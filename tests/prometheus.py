"""The real Prometheus and Alertmanager, by the shipped configuration and rules; only addresses and times differ."""

import contextlib
import json
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from tests.broker import PATIENCE_SECONDS, free_port, wait_until
from tests.repository import ROOT

SHIPPED = ROOT / "configs" / "prometheus"


@dataclass(frozen=True)
class Prometheus:
    """A Prometheus that scrapes one daemon every second, by the shipped rules."""

    url: str

    def get(self, path: str, **query: str) -> Any:
        url = f"{self.url}{path}?{urllib.parse.urlencode(query)}"
        with contextlib.closing(urllib.request.urlopen(url, timeout=PATIENCE_SECONDS)) as response:
            return json.load(response)["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        result: list[dict[str, Any]] = self.get("/api/v1/query", query=expression)["result"]
        return result

    def alerts(self, name: str) -> list[dict[str, Any]]:
        return [alert for alert in self.get("/api/v1/alerts")["alerts"] if alert["labels"]["alertname"] == name]


@contextlib.contextmanager
def running_prometheus(
    folder: Path, target: str, rules: Path = SHIPPED / "rules", alertmanager: str | None = None
) -> Iterator[Prometheus]:
    """Run a Prometheus. target: the daemon's address; rules: their folder; alertmanager: an address."""
    config = yaml.safe_load((SHIPPED / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [f"{rules}/*.yml"]
    (job,) = config["scrape_configs"]
    job |= {"scrape_interval": "1s", "static_configs": [{"targets": [target]}]}
    if alertmanager is None:
        del config["alerting"]  # nobody listens here
    else:
        config["alerting"]["alertmanagers"] = [{"static_configs": [{"targets": [alertmanager]}]}]
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(config))
    options = [f"--config.file={file}", f"--storage.tsdb.path={folder}/tsdb", "--log.level=warn"]
    with _running(lambda address: ["prometheus", *options, f"--web.listen-address={address}"], folder) as address:
        yield Prometheus(f"http://{address}")


@contextlib.contextmanager
def running_alertmanager(folder: Path, config: dict[str, Any]) -> Iterator[str]:
    """Run an Alertmanager; its address."""
    file = folder / "alertmanager.yml"
    file.write_text(yaml.safe_dump(config))
    options = [f"--config.file={file}", f"--storage.path={folder}/alertmanager", "--cluster.listen-address="]
    program = "prometheus-alertmanager"
    with _running(lambda address: [program, *options, f"--web.listen-address={address}"], folder) as address:
        yield address


@contextlib.contextmanager
def _running(command: Callable[[str], list[str]], folder: Path) -> Iterator[str]:
    log = folder / "server.log"
    with log.open("wb") as errors:
        for _ in range(5):  # a free port may be taken before the server gets it
            address = f"127.0.0.1:{free_port()}"
            process = subprocess.Popen(command(address), stderr=errors)
            try:
                wait_until(lambda: process.poll() is not None or _is_ready(address), "the server is ready")  # noqa: B023
                if process.poll() is None:
                    yield address
                    return
            finally:
                process.kill()
                process.wait(PATIENCE_SECONDS)
    raise AssertionError(log.read_text())


def _is_ready(address: str) -> bool:
    with contextlib.suppress(OSError), contextlib.closing(urllib.request.urlopen(f"http://{address}/-/ready")):
        return True
    return False
