"""One turn of one contestant: feed it, wait until it has dealt with everything, look at what that took."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from benchmarks.common.broker import mosquitto
from benchmarks.common.packets import Packets, publish_packets
from benchmarks.common.rounds import Turn
from benchmarks.common.workloads import Workload, generate
from benchmarks.throughput.contestants import (
    DAEMON,
    FEEDING_CORE,
    MEASURED_CORE,
    OBVIOUS,
    ROOT,
    Contestant,
    Daemon,
    Expected,
    ObviousScript,
    Reader,
    pinned,
)
from benchmarks.throughput.wire import Feeder, Publisher, Wire, flood, pace

FORWARD, FORWARD_KEPT = "bare forward", "bare forward, memory kept"
SETTLING_SECONDS = 2.0  # in real time, before a paced turn is measured


class Load:
    """So many seconds of a workload, ready to be sent."""

    def __init__(self, workload: Workload, seconds: float) -> None:
        self.workload = workload
        self._messages = generate(workload, seconds, time.time())

    @cached_property
    def expected(self) -> Expected:
        """What must come out."""
        return Expected(len(self._messages), self._messages.windows, len(self._bare.data))

    def packets(self, *, direct: bool, mqtt5: bool) -> Packets:
        """What is sent: to the broker (MQTT 3.1.1, which it translates), or directly at QoS 0."""
        if direct and mqtt5:
            return self._direct5
        return self._bare if direct or not self.workload.qos else self._confirmed

    @cached_property
    def _bare(self) -> Packets:
        return publish_packets(self._messages, 0, mqtt5=False)

    @cached_property
    def _confirmed(self) -> Packets:
        return publish_packets(self._messages, 1, mqtt5=False)

    @cached_property
    def _direct5(self) -> Packets:
        return publish_packets(self._messages, 0, mqtt5=True)


@dataclass(frozen=True, slots=True)
class Station:
    """A contestant that has subscribed, the wire to it, and what it will be sent."""

    contestant: Contestant
    wire: Wire
    load: Load
    packets: Packets


@contextmanager
def stations(
    loads: dict[str, Load],
    folder: Path,
    *,
    direct: bool,
    max_inbox_messages: int | None = None,
    programs: Mapping[str, Path] = MappingProxyType({}),
    more: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[dict[str, Station]]:
    """Contestants by name, all started at once, each with a broker of its own (or a feeder) and ready for its load.

    max_inbox_messages: of the daemon; by default there is room for the whole load. programs: names that are daemons of
    other installations; more: names that are daemons, too, by what is added to their configuration. Logs go to
    `folder`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        feeders: dict[str, Feeder] = {}
        contestants: dict[str, Contestant] = {}
        ports: dict[str, int] = {}
        for name, load in loads.items():
            if direct:
                with pinned(FEEDING_CORE):
                    feeders[name] = stack.enter_context(closing(Feeder()))
                ports[name] = feeders[name].port
            else:
                with pinned(FEEDING_CORE):
                    ports[name] = stack.enter_context(mosquitto())
            contestants[name] = _start(
                name, ports[name], load, folder, max_inbox_messages, programs.get(name), more.get(name)
            )
            stack.callback(contestants[name].stop)
        ready = {}
        for name, contestant in contestants.items():
            contestant.wait_ready()
            contestant.settle()
            wire = feeders[name] if direct else stack.enter_context(closing(Publisher(ports[name])))
            packets = loads[name].packets(direct=direct, mqtt5=contestant.mqtt5)
            ready[name] = Station(contestant, wire, loads[name], packets)
        with pinned(FEEDING_CORE):
            yield ready


def flood_turn(station: Station) -> Turn:
    """Send everything as fast as it is taken."""
    contestant, load = station.contestant, station.load
    before = contestant.cpu_seconds
    began = time.monotonic()
    flood(station.wire, station.packets)
    finish = contestant.finish(load.expected)
    return Turn(
        contestant.name,
        finish.messages,
        finish.windows,
        finish.monotonic_seconds - began,
        contestant.cpu_seconds - before,
        contestant.rss_bytes,
        finish.void,
    )


def paced_turn(station: Station, warm_up_seconds: float, warm_up_speed: float) -> Turn:
    """Send in real time; processor time and memory are what it is about.

    The first `warm_up_seconds` of telemetry go `warm_up_speed` times as fast: they open streams and fill windows. What
    is left flows on in real time without a pause, and is measured once `SETTLING_SECONDS` of it have passed.
    """
    contestant, packets = station.contestant, station.packets
    warm, steady = packets.due_seconds.searchsorted([warm_up_seconds, warm_up_seconds + SETTLING_SECONDS]).tolist()
    pace(station.wire, packets, warm_up_speed, 0, warm)
    pace(station.wire, packets, 1.0, warm, steady)
    before = contestant.cpu_seconds
    began = time.monotonic()
    pace(station.wire, packets, 1.0, steady)
    took, used = time.monotonic() - began, contestant.cpu_seconds - before
    finish = contestant.finish(station.load.expected)
    messages = finish.messages - steady
    return Turn(contestant.name, messages, finish.windows, took, used, contestant.rss_bytes, finish.void)


def forward_turn(name: str, model: Path, seconds_per_batch: float) -> Turn:
    """The bare forward at its best batch size, as a turn of one second."""
    command = [sys.executable, "-m", "benchmarks.scoring.bare_forward", "--model", str(model)]
    command += ["--keep-memory"] if name == FORWARD_KEPT else []
    with pinned(MEASURED_CORE):
        done = subprocess.run(
            [*command, "--seconds", str(seconds_per_batch)], cwd=ROOT, capture_output=True, text=True, check=False
        )
    if done.returncode:
        return Turn(name, 0, 0, 0.0, 0.0, 0, (f"{name}: {done.stderr.strip().splitlines()[-1]}",))
    best = max(json.loads(done.stdout).values())
    return Turn(name, 0, round(best), 1.0, 1.0, 0)


def _start(
    name: str,
    port: int,
    load: Load,
    folder: Path,
    max_inbox_messages: int | None,
    program: Path | None,
    more: str | None,
) -> Contestant:
    if name == DAEMON or program is not None or more is not None:
        room = max_inbox_messages or load.expected.messages
        return Daemon(port, load.workload, room, folder, more or "", program=program, name=name)
    if name == OBVIOUS:
        return ObviousScript(port, load.workload, folder)
    return Reader(name, port, load.workload, load.expected, folder)
