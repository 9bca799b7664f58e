"""Who is measured: each is a real process that has a core to itself while it is fed from another.

Readers tell themselves when everything has come. The daemon and the obvious script are asked over HTTP what they have
counted: a run in which anything is missing, refused or withheld is void.
"""

import contextlib
import os
import selectors
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from benchmarks.common.artifacts import artifact_folder
from benchmarks.common.broker import free_port
from benchmarks.common.workloads import Workload

ROOT = Path(__file__).parents[2]
CORES = sorted(os.sched_getaffinity(0))
FEEDING_CORE, MEASURED_CORE = CORES[0], CORES[-1]

DRAIN, COUNT, OBVIOUS, DAEMON = "D (wire)", "R (paho)", "obvious script", "residuald"

READY_SECONDS = 60.0
FINISH_SECONDS = 300.0  # what a reader may take for everything
STALLED_SECONDS = 15.0  # nothing more was counted for so long: it will never come
_LOOK_SECONDS = 0.02

LOSSES = (
    "residuald_inbox_dropped_total",
    "residuald_messages_discarded_total",
    "residuald_samples_discarded_total",
    "residuald_windows_withheld_total",
    "residuald_stream_restarts_total",
    "residuald_mqtt_reconnects_total",
)


@dataclass(frozen=True, slots=True)
class Expected:
    """What must come out of a run. wire_bytes: of all PUBLISH packets at QoS 0 in MQTT 3.1.1."""

    messages: int
    windows: int
    wire_bytes: int


@dataclass(frozen=True, slots=True)
class Finish:
    """How a run ended. monotonic_seconds: when everything was there; void: what is wrong with it, if anything."""

    monotonic_seconds: float
    messages: int
    windows: int
    void: tuple[str, ...] = ()


class Contestant:
    """A process that takes telemetry: a command, and what it is called in tables."""

    mqtt5 = False

    def __init__(self, name: str, command: list[str | Path], log: Path) -> None:
        self.name = name
        self._log = log
        # one thread for torch, as on a machine with one core; cores are shared until everybody has started
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        with log.open("wb") as sink:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=sink,
                cwd=ROOT,
                env=environment,
                text=True,
            )
        self._usage = psutil.Process(self._process.pid)

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def cpu_seconds(self) -> float:
        """Processor time used so far, by all its threads, user and system."""
        times = self._usage.cpu_times()
        return float(times.user + times.system)

    @property
    def rss_bytes(self) -> int:
        """Memory it holds now."""
        return int(self._usage.memory_info().rss)

    def wait_ready(self) -> None:
        """Wait until it has subscribed.

        Raises:
            RuntimeError: it ended, or takes too long; with the last lines of its log.

        """
        if self._line(READY_SECONDS) != "ready":
            raise self._failure("did not subscribe")

    def settle(self) -> None:
        """Keep it, all its threads, on the core for what is measured."""
        for thread in self._usage.threads():
            os.sched_setaffinity(thread.id, {MEASURED_CORE})

    def finish(self, expected: Expected) -> Finish:
        """Wait until it has dealt with everything, or will not."""
        raise NotImplementedError

    def stop(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.communicate()

    def _line(self, timeout_seconds: float) -> str | None:
        """The next line that it prints; None if it does not or has ended."""
        output: IO[str] | None = self._process.stdout
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)  # type: ignore[arg-type]
            if not selector.select(timeout_seconds):
                return None
        return output.readline().strip() or None  # type: ignore[union-attr]

    def _failure(self, what: str) -> RuntimeError:
        tail = self._log.read_text(errors="replace").strip().splitlines()[-5:]
        return RuntimeError("\n".join([f"{self.name} {what}; its log ends:", *tail]))


class Reader(Contestant):
    """D or R: see `benchmarks/throughput/readers.py`."""

    def __init__(self, name: str, port: int, workload: Workload, expected: Expected, folder: Path) -> None:
        reader, total = ("drain", expected.wire_bytes) if name == DRAIN else ("count", expected.messages)
        command: list[str | Path] = [sys.executable, "-m", "benchmarks.throughput.readers", reader, "--port", str(port)]
        command += ["--qos", str(workload.qos), "--total", str(total)]
        for part in workload.parts:
            command += ["--filter", part.topic_filter]
        super().__init__(name, command, folder / f"{reader}.log")

    def finish(self, expected: Expected) -> Finish:
        """Wait for its word."""
        word = self._line(FINISH_SECONDS)
        if word is None or not word.startswith("done "):
            return Finish(time.monotonic(), 0, 0, (f"{self.name}: not everything came",))
        return Finish(float(word.removeprefix("done ")), expected.messages, 0)


class Counting(Contestant):
    """A contestant that counts for Prometheus. losses: metrics that must stay 0."""

    messages_metric: str
    windows_metric: str
    losses: tuple[str, ...] = ()

    def __init__(self, name: str, command: list[str | Path], log: Path, http_port: int) -> None:
        super().__init__(name, command, log)
        self.metrics_url = f"http://127.0.0.1:{http_port}/metrics"

    def finish(self, expected: Expected) -> Finish:
        """Ask until all is counted, or nothing more comes."""
        now, seen = self._watch(expected.messages, expected.windows)
        messages, windows = int(seen[self.messages_metric]), int(seen[self.windows_metric])
        wrong = [
            f"{self.name}: {found:,} {what}, where {wanted:,} were due"
            for what, found, wanted in (
                ("messages", messages, expected.messages),
                ("windows", windows, expected.windows),
            )
            if found != wanted
        ]
        wrong += [f"{self.name}: {loss} is {seen[loss]:,.0f}" for loss in self.losses if seen[loss]]
        return Finish(now, messages, windows, tuple(wrong))

    def _watch(self, messages: int, windows: int) -> tuple[float, dict[str, float]]:
        """What is counted once it is enough, or stands still; and when, monotonic."""
        began = moved = time.monotonic()
        before = -1.0
        while True:
            seen = scrape(self.metrics_url, (self.messages_metric, self.windows_metric, *self.losses))
            now = time.monotonic()
            come, scored = seen[self.messages_metric], seen[self.windows_metric]
            if come >= messages and scored >= windows:
                return now, seen
            if come + scored > before:
                moved, before = now, come + scored
            elif now - moved > STALLED_SECONDS:
                return now, seen
            # a scrape takes processor time from what is measured: look seldom, and more closely near the end
            left = max(0.0, messages - come) / max(come, 1.0) * (now - began)
            time.sleep(min(max(_LOOK_SECONDS, left / 2), 1.0))


class ObviousScript(Counting):
    """See `benchmarks/throughput/obvious_script.py`."""

    messages_metric = "obvious_messages_total"
    windows_metric = "obvious_windows_total"

    def __init__(self, port: int, workload: Workload, folder: Path) -> None:
        http_port = free_port()
        command: list[str | Path] = [sys.executable, "-m", "benchmarks.throughput.obvious_script", "--port", str(port)]
        command += ["--http-port", str(http_port), "--qos", str(workload.qos)]
        for part in workload.parts:
            command += ["--watch", part.topic_filter, part.payload, artifact_folder(part)]
        super().__init__(OBVIOUS, command, folder / "obvious.log", http_port)


class Daemon(Counting):
    """`residuald run`. max_inbox_messages: room for everything, or a flood at QoS 0 would be thinned out.

    more: what is added to its configuration; it stands below the last `[[model]]`. program: of another installation;
    left out, the one beside this Python. name: what it is called in tables.
    """

    mqtt5 = True
    messages_metric = "residuald_messages_received_total"
    windows_metric = "residuald_windows_scored_total"
    losses = LOSSES

    def __init__(
        self,
        port: int,
        workload: Workload,
        max_inbox_messages: int,
        folder: Path,
        more: str = "",
        *,
        program: Path | None = None,
        name: str = DAEMON,
    ) -> None:
        http_port = free_port()
        config = folder / f"{name}.toml"
        journal = (folder / f"{name}-journal").resolve()
        shutil.rmtree(journal, ignore_errors=True)  # what another round left would be taken up again
        config.write_text(daemon_config(port, http_port, workload, max_inbox_messages, journal) + more)
        self._ready_url = f"http://127.0.0.1:{http_port}/readyz"
        command: list[str | Path] = [program or Path(sys.executable).with_name("residuald"), "run", "--config", config]
        super().__init__(name, command, folder / f"{name}.log", http_port)

    def wait_ready(self) -> None:
        """Wait until it says over HTTP that it is ready, which includes its subscriptions."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError), urllib.request.urlopen(self._ready_url, timeout=5.0):
                return
            time.sleep(_LOOK_SECONDS)
        raise self._failure("did not become ready")


def daemon_config(
    port: int, http_port: int, workload: Workload, max_inbox_messages: int, journal: Path | None = None
) -> str:
    """The daemon's configuration (TOML) for a workload; what is not said here stays as it is by default.

    journal: its folder, as the systemd unit has one (None: no journal).
    """
    formats = {
        "json": 'kind = "json"\ntimestamp = "ts"\nvalues = "values"',
        "binary": 'kind = "binary"\nencoding = "f32"',
        "number": 'kind = "number"',
    }
    # on a slow machine the others' turns take longer than a broker may be silent
    lines = [f'[mqtt]\nhost = "127.0.0.1"\nport = {port}\nsilence_timeout_seconds = 0', f"[http]\nport = {http_port}"]
    lines.append(f"[limits]\nmax_inbox_messages = {max_inbox_messages}\nmax_inbox_bytes = {4 * 1024**3}")
    if journal is not None:
        lines.append(f'[journal]\npath = "{journal}"')
    for part in workload.parts:
        lines.append(
            f'[[source]]\nname = "{part.name}"\nmodel = "{part.name}"\nqos = {workload.qos}\n'
            f'topic = "{part.topic_pattern}"\n[source.format]\n{formats[part.payload]}'
        )
        lines.append(f'[[model]]\nname = "{part.name}"\npath = "{artifact_folder(part)}"')
    return "\n".join([*lines, ""])


def scrape(url: str, names: tuple[str, ...]) -> dict[str, float]:
    """Ask for metrics; see `totals`."""
    with urllib.request.urlopen(url, timeout=READY_SECONDS) as response:
        return totals(response.read().decode(), names)


def totals(exposition: str, names: tuple[str, ...]) -> dict[str, float]:
    """The sum over all series of each metric in Prometheus' text format; 0 where there is none."""
    sums = dict.fromkeys(names, 0.0)
    for line in exposition.splitlines():
        series, _, value = line.rpartition(" ")
        name = series.partition("{")[0]
        if name in sums:
            sums[name] += float(value)
    return sums


@contextlib.contextmanager
def pinned(core: int) -> Iterator[None]:
    """Run this thread, and the processes that it starts meanwhile, on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
