"""A flood: ten times what the daemon can score, for two minutes. Memory stays bounded, and the backlog goes by itself.

The model is made slow on purpose (one window at a time, each taking milliseconds), so that one publisher is flood
enough on any machine. Messages of QoS 0 and 1 come ten times as fast as it scores, before the flood or in it. The
broker keeps some hundred messages of QoS 1 for a reader that does not read, and drops the others. In the end the daemon
is stopped in the midst of a flood.
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

import msgspec
import numpy as np
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from rich.console import Console

from benchmarks.chaos.slow_model import ROWS, fit_slow_model
from benchmarks.common.broker import MissingError, free_port, mosquitto
from benchmarks.common.live import Daemon, LiveError
from benchmarks.common.targets import Target, conclude, write_json

_EPILOG = """\
examples:
  python -m benchmarks.flood           two minutes of flood
  python -m benchmarks.flood --quick   some seconds of it, in less than a minute

exit codes: 0 measured, 1 void   (a target that was missed is a result)
"""
_RATE_HZ = 100.0
_BEGAN_SECONDS = 30 * 86400.0  # ago, by the device: a flood brings days in minutes, and none of them from the future
_TIMES = 10.0  # how much more comes than can be scored
_MOST_MESSAGES, _MOST_BYTES = 400, 16 * 1024 * 1024  # the inbox
ONE_READ_MESSAGES = 500  # of 256 KiB: reading stops when the inbox is full, with what the last read brought
_MOST_GROWTH_BYTES = _MOST_BYTES + 32 * 1024 * 1024
_QUEUED_MESSAGES = 200  # of QoS 1, in the broker; besides, it has thousands on their way to a reader of MQTT 5
_QUICK_IN_FLIGHT_MESSAGES = 1000  # those, in a quick run: still more than the inbox and one read take
_RECOVERY_TIMES = 2.0  # of what scoring all that waits takes
_GIVE_UP_SECONDS = 300.0
_STOP_SECONDS = 5.0
_STOP_AFTER_SECONDS = 3.0  # of the flood
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
name = "once"
topic = "hall/{{device}}/hum"
model = "hum"
qos = 0
format = {{ kind = "json", timestamp = "ts", rows = "rows" }}
[[source]]
name = "safe"
topic = "plant/{{device}}/hum"
model = "hum"
qos = 1
format = {{ kind = "json", timestamp = "ts", rows = "rows" }}
"""


class Publisher:
    """Publishes for one device, so many messages a second at each QoS, from a thread of its own."""

    def __init__(self, port: int) -> None:
        self.sent = 0
        self._began = time.time() - _BEGAN_SECONDS
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.max_queued_messages_set(0)
        self._client.max_inflight_messages_set(1000)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        at = np.arange(ROWS) / _RATE_HZ
        self._rows = np.round(np.stack([np.sin(10 * np.pi * at), np.cos(10 * np.pi * at)], axis=1), 4).tolist()

    def send(self, topics: tuple[tuple[str, int], ...]) -> None:
        """Send the next message to each of the topics, at its QoS."""
        body = msgspec.json.encode({"ts": self._began + self.sent * ROWS / _RATE_HZ, "rows": self._rows})
        for topic, qos in topics:
            self._client.publish(topic, body, qos)
        self.sent += 1

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


# two devices: what comes of one stream twice is a duplicate, and never scored
ONCE, SAFE = ("hall/lathe/hum", 0), ("plant/press/hum", 1)


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a smaller run of less than a minute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures as JSON")
    args = parser.parse_args()
    console = Console()
    try:
        with tempfile.TemporaryDirectory(prefix="residuald-flood-") as folder:
            return run(Path(folder), args.quick, console, args.json)
    except (LiveError, MissingError) as error:
        return conclude(console, [], [str(error)])


def run(folder: Path, quick: bool, console: Console, json_file: Path | None) -> int:
    """One run; its exit code."""
    flood_seconds = 5.0 if quick else 120.0
    model = fit_slow_model(folder)
    config, http_port = folder / "monitor.toml", free_port()
    broker = f"max_queued_messages {_QUEUED_MESSAGES}\n"
    if quick:
        broker += f"max_inflight_messages {_QUICK_IN_FLIGHT_MESSAGES}\n"
    with mosquitto(broker) as port:
        config.write_text(
            _CONFIG.format(
                port=port, http_port=http_port, folder=folder, model=model, messages=_MOST_MESSAGES, bytes=_MOST_BYTES
            )
        )
        daemon, publisher = Daemon(config, http_port), Publisher(port)
        try:
            daemon.wait_ready()
            capacity = _capacity(daemon, publisher, console)
            calm_bytes = _resident_bytes(daemon)
            figures = _flood(daemon, publisher, capacity, flood_seconds, console)
            figures |= {"scored_per_second": capacity, "resident_bytes_before": calm_bytes}
            with _flooding(publisher, 1.5 * _TIMES * max(capacity, figures["scored_share"] * capacity)):
                time.sleep(_STOP_AFTER_SECONDS)
                began = time.monotonic()
                code = daemon.stop()
                figures["stop_seconds"] = time.monotonic() - began
        finally:
            publisher.close()
            daemon.stop()
    growth = figures["resident_bytes_most"] - calm_bytes
    targets = [
        Target.at_most("growth of memory", _MOST_GROWTH_BYTES / 2**20, growth / 2**20, "MiB"),
        Target.at_most(
            "longest backlog", _MOST_MESSAGES + ONE_READ_MESSAGES, figures["inbox_messages_most"], "messages"
        ),
        Target.at_most(
            "time until the backlog is gone", _RECOVERY_TIMES, figures["recovery_times"], "x scoring what waits"
        ),
        Target.at_most("a stop in the midst of the flood", _STOP_SECONDS, figures["stop_seconds"], "s"),
        Target.at_least("scored under the flood and after it, of what it can", 0.5, figures["scored_share"], ""),
    ]
    void = [] if code == 0 else [f"the daemon ended with {code}"]
    if figures["times"] < _TIMES:
        void.append(f"the flood was only {figures['times']:.1f} times what can be scored")
    if figures["dropped"] == 0:
        void.append("nothing was dropped: that was no flood")
    if json_file is not None:
        write_json(json_file, targets, figures=figures, machine=platform.platform())
    return conclude(console, targets, void)


def value_of(daemon: Daemon, name: str) -> float:
    return sum(daemon.metrics().get(name, {}).values())


def _scored(daemon: Daemon) -> float:
    return value_of(daemon, "residuald_windows_scored_total")


def _resident_bytes(daemon: Daemon) -> float:
    return value_of(daemon, "process_resident_memory_bytes")


def _capacity(daemon: Daemon, publisher: Publisher, console: Console) -> float:
    """Windows that it scores in a second when more wait than it can score.

    It counts when all that waited is judged: so from one such moment to another, not from second to second.
    """
    began = looked = time.monotonic()
    counted = [(began, _scored(daemon))]
    while (now := time.monotonic()) - began < 3.0 or (len(counted) < 4 and now - began < _GIVE_UP_SECONDS):
        publisher.send((ONCE,))
        time.sleep(0.001)
        if now - looked > 0.05:
            looked, scored = now, _scored(daemon)
            counted += [(now, scored)] if scored != counted[-1][1] else []
    (first, fewest), (last, most) = counted[1], counted[-1]
    capacity = (most - fewest) / (last - first)
    console.print(f"it scores {capacity:,.0f} windows a second")
    wait_calm(daemon)
    return capacity


def wait_calm(daemon: Daemon) -> float:
    """Wait until nothing waits any more, in the inbox or the broker; how many seconds that took, at most some."""
    began = last = time.monotonic()
    scored = _scored(daemon)
    while time.monotonic() - began < _GIVE_UP_SECONDS:
        time.sleep(0.2)
        now = _scored(daemon)
        if now != scored:
            scored, last = now, time.monotonic()
        elif value_of(daemon, "residuald_inbox_messages") == 0 and time.monotonic() - last > 1.0:
            break
    return last - began


@contextmanager
def watched(daemon: Daemon, most: dict[str, float]) -> Iterator[None]:
    """Note the most memory and the longest backlog, a few times a second."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.25):
            for name, metric in (
                ("resident_bytes_most", "process_resident_memory_bytes"),
                ("inbox_messages_most", "residuald_inbox_messages"),
            ):
                most[name] = max(most.get(name, 0.0), value_of(daemon, metric))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


@contextmanager
def _flooding(publisher: Publisher, messages_per_second: float) -> Iterator[None]:
    """Flood until the block ends."""
    over = threading.Event()

    def flood() -> None:
        began, sent = time.monotonic(), 0
        while not over.wait(0.001):
            while sent < (time.monotonic() - began) * messages_per_second:
                publisher.send((ONCE, SAFE))
                sent += 2

    flooder = threading.Thread(target=flood, daemon=True)
    flooder.start()
    try:
        yield
    finally:
        over.set()
        flooder.join()


def _flood(daemon: Daemon, publisher: Publisher, capacity: float, seconds: float, console: Console) -> dict[str, float]:
    most: dict[str, float] = {}
    scored, sent = _scored(daemon), publisher.sent
    fastest = capacity
    with watched(daemon, most), console.status(f"flooding for {seconds:.0f} s"):
        began = due = looked = time.monotonic()
        while (now := time.monotonic()) - began < seconds:
            if now - looked > 1.0:  # whoever shares the machine may have left
                looked, fastest = now, max(fastest, (_scored(daemon) - scored) / (now - began))
            publisher.send((ONCE, SAFE))
            due += 2.0 / (1.5 * _TIMES * fastest)  # two messages at a time
            time.sleep(max(0.0, due - time.monotonic()))
        took = time.monotonic() - began
        scored_before = _scored(daemon)
        recovery = wait_calm(daemon)
        waited = _scored(daemon) - scored_before
        share = (_scored(daemon) - scored) / (took + recovery) / capacity
    times = 2 * (publisher.sent - sent) / took / max(capacity, share * capacity)
    console.print(f"{2 * (publisher.sent - sent):,} messages in {took:.0f} s, {times:.1f} times what it scores")
    console.print(f"{waited:,.0f} of them waited in the end, and were scored in {recovery:.1f} s")
    return {
        **most,
        "times": times,
        "scored_share": share,
        "recovery_seconds": recovery,
        "waited_messages": waited,
        "recovery_times": recovery * min(capacity, share * capacity) / max(waited, 1.0),
        "dropped": value_of(daemon, "residuald_inbox_dropped_total"),
    }


if __name__ == "__main__":
    sys.exit(main())
