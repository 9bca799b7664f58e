"""A loud neighbour: one device floods the broker while another sends once a second. Who loses what?

The model is made slow on purpose, as for the flood. The loud device sends thousands of messages a second, many times
what is scored; the quiet one sends one, which is just one window. First both do so at QoS 0: counted are windows of the
quiet one that were not scored, and what it lost to the full inbox. Then both do so at QoS 1, where nothing may be
dropped and all waits in order: counted is what waits in the daemon, and how its memory grows. Each time the daemon is
stopped in the midst of the noise, with the journal on.
"""

import argparse
import platform
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
from rich.console import Console

from benchmarks.chaos.devices import RATE_HZ, wave
from benchmarks.chaos.flood import ONE_READ_MESSAGES, value_of, watched
from benchmarks.chaos.loud import LoudDevice
from benchmarks.chaos.slow_model import ROWS, fit_slow_model
from benchmarks.common.broker import MissingError, free_port, mosquitto
from benchmarks.common.live import Daemon, LiveError
from benchmarks.common.targets import Target, conclude, write_json

_EPILOG = """\
examples:
  python -m benchmarks.loud_neighbour           a minute of noise at QoS 0, and one at QoS 1
  python -m benchmarks.loud_neighbour --quick   some seconds of each

exit codes: 0 measured, 1 void   (a target that was missed is a result)
"""
_LOUD_HZ, _QUIET_HZ = 7000.0, 1.0
_LEAST_LOUD_HZ = 3000.0  # what a busy machine must still bring
_MOST_MESSAGES, _MOST_BYTES = 10_000, 16 * 1024 * 1024  # the inbox
_QUEUED_MESSAGES = 20_000  # of QoS 1, which the broker keeps for a reader that does not read
_MOST_GROWTH_BYTES = _MOST_BYTES + 32 * 1024 * 1024
_SETTLE_SECONDS = 20.0  # for the last message of the quiet one
_STOP_SECONDS = 5.0
_BEGAN_SECONDS = 30 * 86400.0  # ago, by the devices: a flood brings days in minutes, and none of them from the future
_CONFIG = """\
[mqtt]
host = "127.0.0.1"
port = {port}
[http]
port = {http_port}
[limits]
max_inbox_messages = {messages}
max_inbox_bytes = {bytes}
[journal]
path = "{folder}/journal"
[[model]]
name = "hum"
path = "{model}"
max_batch = 1
[[source]]
name = "hall"
topic = "hall/{{device}}/hum"
model = "hum"
qos = {qos}
format = {{ kind = "json", timestamp = "ts", rows = "rows" }}
"""
Figures = dict[str, float]


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a smaller run of less than half a minute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures as JSON")
    args = parser.parse_args()
    console = Console()
    try:
        with tempfile.TemporaryDirectory(prefix="residuald-neighbour-") as folder:
            return run(Path(folder), 5.0 if args.quick else 60.0, console, args.json)
    except (LiveError, MissingError) as error:
        return conclude(console, [], [str(error)])


def run(folder: Path, seconds: float, console: Console, json_file: Path | None) -> int:
    """One run; its exit code."""
    model = fit_slow_model(folder)
    targets: list[Target] = []
    void: list[str] = []
    all_figures: dict[str, Figures] = {}
    for qos in (0, 1):
        own = folder / f"qos{qos}"
        own.mkdir()
        figures = all_figures[f"qos {qos}"] = _noise(own, model, 1 if qos else 0, seconds)
        console.print(f"QoS {qos}:", " ".join(f"{name} {value:,.1f}" for name, value in figures.items()))
        targets += _targets(qos, figures)
        if figures["loud_per_second"] < _LEAST_LOUD_HZ:
            void.append(f"QoS {qos}: only {figures['loud_per_second']:,.0f} messages a second: that was no noise")
        if figures["exit_code"] != 0:
            void.append(f"QoS {qos}: the daemon ended with {figures['exit_code']:.0f}")
    if all_figures["qos 0"]["loud_dropped"] == 0:
        void.append("nothing was dropped: that was no noise")
    if json_file is not None:
        write_json(json_file, targets, figures=all_figures, machine=platform.platform())
    return conclude(console, targets, void)


def _targets(qos: int, figures: Figures) -> list[Target]:
    growth = (figures["resident_bytes_most"] - figures["resident_bytes_before"]) / 2**20
    targets = [
        Target.at_most(f"QoS {qos}: growth of memory", _MOST_GROWTH_BYTES / 2**20, growth, "MiB"),
        Target.at_most(
            f"QoS {qos}: longest backlog",
            _MOST_MESSAGES + ONE_READ_MESSAGES,
            figures["inbox_messages_most"],
            "messages",
        ),
        Target.at_most(f"QoS {qos}: a stop in the midst of it", _STOP_SECONDS, figures["stop_seconds"], "s"),
    ]
    if qos == 0:
        lost = figures["quiet_sent"] - figures["quiet_scored"]
        targets += [
            Target.at_most("QoS 0: windows that the quiet device lost", 0, lost, "windows"),
            Target.at_most("QoS 0: messages of its that were dropped", 0, figures["quiet_dropped"], "messages"),
        ]
    return targets


def _noise(folder: Path, model: Path, qos: Literal[0, 1], seconds: float) -> Figures:
    """Let both devices send at a QoS for so long, and stop the daemon while they do."""
    config, http_port = folder / "monitor.toml", free_port()
    with mosquitto(f"max_queued_messages {_QUEUED_MESSAGES if qos else 0}\n") as port:
        config.write_text(
            _CONFIG.format(
                port=port,
                http_port=http_port,
                folder=folder,
                model=model,
                messages=_MOST_MESSAGES,
                bytes=_MOST_BYTES,
                qos=qos,
            ),
            encoding="utf-8",
        )
        rows, began = np.round(wave(np.arange(ROWS) / RATE_HZ), 4).tolist(), time.time() - _BEGAN_SECONDS
        daemon = Daemon(config, http_port)
        loud, quiet = (LoudDevice(port, f"hall/{name}/hum", rows, RATE_HZ, began, qos) for name in ("loud", "quiet"))
        most: Figures = {}
        try:
            daemon.wait_ready()
            before = value_of(daemon, "process_resident_memory_bytes")
            with watched(daemon, most), _loud(loud):
                quiet.send_for(seconds, _QUIET_HZ, 0.05)
                figures = {"loud_per_second": loud.sent / seconds}
                figures |= _settled(daemon, quiet.sent, 0.0 if qos else _SETTLE_SECONDS)
            with _loud(loud):
                time.sleep(1.0)
                stopping = time.monotonic()
                code = daemon.stop()
                stop_seconds = time.monotonic() - stopping
        finally:
            loud.close()
            quiet.close()
            daemon.stop()
    return figures | most | {"resident_bytes_before": before, "stop_seconds": stop_seconds, "exit_code": float(code)}


@contextmanager
def _loud(device: LoudDevice) -> Iterator[None]:
    """Let the device be loud until the block ends."""
    over = threading.Event()

    def be_loud() -> None:
        while not over.is_set():
            device.send_for(1.0, _LOUD_HZ, 0.005)

    thread = threading.Thread(target=be_loud, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _settled(daemon: Daemon, sent: int, patience_seconds: float) -> Figures:
    """What was scored of both and what was dropped, once the last of the quiet one is scored, or could have been."""
    deadline = time.monotonic() + patience_seconds
    while _of(daemon, "residuald_windows_scored_total", stream="quiet") < sent and time.monotonic() < deadline:
        time.sleep(0.2)
    return {
        "quiet_sent": float(sent),
        "quiet_scored": _of(daemon, "residuald_windows_scored_total", stream="quiet"),
        "loud_scored": _of(daemon, "residuald_windows_scored_total", stream="loud"),
        "quiet_dropped": _of(daemon, "residuald_inbox_dropped_by_share_total", share="quiet"),
        "loud_dropped": _of(daemon, "residuald_inbox_dropped_by_share_total", share="loud"),
    }


def _of(daemon: Daemon, name: str, **labels: str) -> float:
    """The value of a metric, over all series with these labels."""
    wanted = set(labels.items())
    return sum(value for found, value in daemon.metrics().get(name, {}).items() if wanted <= found)


if __name__ == "__main__":
    sys.exit(main())
