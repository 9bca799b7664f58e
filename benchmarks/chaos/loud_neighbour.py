"""A loud neighbour: one device floods the broker at QoS 0 while another sends once in a while. Who loses what?

The model is made slow on purpose, as for the flood. The loud device sends many times what is scored; the quiet one some
messages a second, each of which is just one window. Counted are windows of the quiet one that were not scored, and what
it lost to the full inbox; and in the end, with all of the backlog waiting, how long a stop takes.
"""

import argparse
import platform
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

from rich.console import Console

from benchmarks.chaos.flood import fit_slow_model, value_of
from benchmarks.common.broker import MissingError, free_port, mosquitto
from benchmarks.common.live import Daemon, LiveError
from benchmarks.common.packets import connect_packet, publish_head
from benchmarks.common.targets import Target, conclude, write_json

_EPILOG = """\
examples:
  python -m benchmarks.loud_neighbour           a minute of noise
  python -m benchmarks.loud_neighbour --quick   some seconds of it

exit codes: 0 measured, 1 void   (a target that was missed is a result)
"""
_ROWS, _RATE_HZ = 32, 100.0  # per message: just one window of the slow model
_LOUD_HZ, _QUIET_HZ = 7000.0, 1.0
_MOST_MESSAGES = 10_000
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
[[model]]
name = "hum"
path = "{model}"
max_batch = 1
[[source]]
name = "hall"
topic = "hall/{{device}}/hum"
model = "hum"
format = {{ kind = "json", timestamp = "ts", rows = "rows" }}
"""


class Device:
    """Sends messages of one window at QoS 0, each later than the one before, through a socket of its own."""

    def __init__(self, port: int, name: str) -> None:
        self.sent = 0
        self._topic = f"hall/{name}/hum".encode()
        self._began = time.time() - _BEGAN_SECONDS
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.sendall(connect_packet(name))
        self._socket.recv(4)
        values = [[round(0.1 * (row % 7), 4), round(0.1 * (row % 5), 4)] for row in range(_ROWS)]
        self._body = b'{"ts": %.2f, "rows": ' + str(values).encode() + b"}"

    def send(self, count: int) -> None:
        """Send so many messages."""
        packets = []
        for _ in range(count):
            payload = self._body % (self._began + self.sent * _ROWS / _RATE_HZ)
            packets.append(publish_head(self._topic, len(payload)) + payload)
            self.sent += 1
        self._socket.sendall(b"".join(packets))

    def close(self) -> None:
        self._socket.close()


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
            return run(Path(folder), 10.0 if args.quick else 60.0, console, args.json)
    except (LiveError, MissingError) as error:
        return conclude(console, [], [str(error)])


def run(folder: Path, seconds: float, console: Console, json_file: Path | None) -> int:
    """One run; its exit code."""
    model, config, http_port = fit_slow_model(folder), folder / "monitor.toml", free_port()
    with mosquitto("max_queued_messages 0\n") as port:
        config.write_text(
            _CONFIG.format(port=port, http_port=http_port, model=model, messages=_MOST_MESSAGES), encoding="utf-8"
        )
        daemon = Daemon(config, http_port)
        loud, quiet = Device(port, "loud"), Device(port, "quiet")
        try:
            daemon.wait_ready()
            _noise(loud, quiet, seconds)
            waiting = value_of(daemon, "residuald_inbox_messages")
            time.sleep(2.0)  # for the last message of the quiet one, behind a backlog that takes far longer
            scored = _of(daemon, "residuald_windows_scored_total", stream="quiet")
            figures = {
                "loud_sent": loud.sent,
                "quiet_sent": quiet.sent,
                "quiet_scored": scored,
                "loud_scored": _of(daemon, "residuald_windows_scored_total", stream="loud"),
                "quiet_dropped": _of(daemon, "residuald_inbox_dropped_by_share_total", share="quiet"),
                "loud_dropped": _of(daemon, "residuald_inbox_dropped_by_share_total", share="loud"),
                "waiting": waiting,
            }
            loud.send(_MOST_MESSAGES)
            began = time.monotonic()
            code = daemon.stop()
            figures["stop_seconds"] = time.monotonic() - began
        finally:
            loud.close()
            quiet.close()
            daemon.stop()
    console.print(" ".join(f"{name} {value:,.0f}" for name, value in figures.items()))
    targets = [
        Target.at_most("windows that the quiet device lost", 0, quiet.sent - figures["quiet_scored"], "windows"),
        Target.at_most("messages of its that were dropped", 0, figures["quiet_dropped"], "messages"),
        Target.at_most("a stop with a full inbox", _STOP_SECONDS, figures["stop_seconds"], "s"),
    ]
    void = [] if code == 0 else [f"the daemon ended with {code}"]
    if figures["loud_dropped"] == 0:
        void.append("nothing was dropped: that was no noise")
    if json_file is not None:
        write_json(json_file, targets, figures=figures, machine=platform.platform())
    return conclude(console, targets, void)


def _noise(loud: Device, quiet: Device, seconds: float) -> None:
    """Let both send at their rates, for so long."""

    def send() -> None:
        began = time.monotonic()
        while (now := time.monotonic() - began) < seconds:
            loud.send(max(0, int(now * _LOUD_HZ) - loud.sent))
            time.sleep(0.005)

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    began = time.monotonic()
    while (now := time.monotonic() - began) < seconds:
        quiet.send(max(0, int(now * _QUIET_HZ) + 1 - quiet.sent))
        time.sleep(0.05)
    sender.join()


def _of(daemon: Daemon, name: str, **labels: str) -> float:
    """The value of a metric, over all series with these labels."""
    wanted = set(labels.items())
    return sum(value for found, value in daemon.metrics().get(name, {}).items() if wanted <= found)


if __name__ == "__main__":
    sys.exit(main())
