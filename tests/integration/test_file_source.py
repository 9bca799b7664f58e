"""The daemon without a broker: lines of a file or of standard input in, steps of alerts to a web server out."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.broker import PATIENCE_SECONDS, wait_until
from tests.daemon import BIN, LENGTH, RATE_HZ, Daemon, SabotagedDaemon, wave
from tests.forked import run_forked
from tests.receiver import Receiver, receiving

pytestmark = pytest.mark.integration

STRIDE = 32
STREAM = "north.press"


def lines(messages: int, fault: tuple[int, int] = (0, 0), rows: int = 10) -> bytes:
    """Lines of so many rows each; those from fault[0] to before fault[1] are of a machine that hums too loudly."""
    began = round(time.time()) - 3600.0
    found = []
    for number in range(messages):
        first = number * rows
        values = wave(first, rows, 4.0 if fault[0] <= number < fault[1] else 1.0)
        body = {"ts": began + first / RATE_HZ, "site": "north", "device": "press", "rows": values.tolist()}
        found.append(json.dumps(body).encode() + b"\n")
    return b"".join(found)


def source_text(name: str, file: Path | str) -> str:
    return f"""
[[source]]
name = "{name}"
file = "{file}"
model = "hum"
stream = "{{site}}.{{device}}"
[source.format]
kind = "json"
keys = {{ site = "site", device = "device" }}
timestamp = "ts"
rows = "rows"
"""


class Setup:
    """Writes the configuration of a daemon in a folder of its own."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.file = folder / "lines.jsonl"
        self.config = folder / "monitor.toml"
        self._journal = folder / "journal"
        self._model = model

    def write(self, *sources: str, receiver: Receiver | None = None, extra: str = "") -> Path:
        webhook = "" if receiver is None else f'[[webhook]]\nurl = "{receiver.url}"\n'
        self.config.write_text(
            f'[http]\nport = 0\n[log]\nformat = "json"\n'
            f'[[model]]\nname = "hum"\npath = "{self._model}"\nmax_batch = 64\n'
            f'[journal]\npath = "{self._journal}"\ncheckpoint_seconds = 0.5\n{"".join(sources)}{webhook}{extra}'
        )
        return self.config


class PipedDaemon(Daemon):
    """`residuald run` whose standard input is a pipe that the test writes to."""

    def __init__(self, config: Path) -> None:
        self.config = config
        self.log_file = config.with_suffix(".log")
        with self.log_file.open("wb") as log:
            command = [str(BIN / "residuald"), "run", "--config", str(config)]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=log, env={"PATH": "/usr/bin"})
        assert process.stdin is not None
        self.process, self._pipe = process, process.stdin

    def write(self, text: bytes) -> None:
        self._pipe.write(text)
        self._pipe.flush()

    def close(self) -> None:
        self._pipe.close()


@pytest.fixture
def setup(tmp_path: Path, model: Path) -> Setup:
    return Setup(tmp_path, model)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving(Receiver()) as started:
        yield started


@pytest.fixture
def run() -> Iterator[Callable[[Daemon], Daemon]]:
    """Waits until a daemon runs, and ends it with the test."""
    started: list[Daemon] = []

    def run_one(daemon: Daemon) -> Daemon:
        started.append(daemon)
        return daemon.wait_running()

    yield run_one
    for daemon in started:
        if isinstance(daemon, PipedDaemon):
            daemon.close()
        if daemon.process.poll() is None:
            daemon.stop(signal.SIGKILL)


def fired(receiver: Receiver) -> list[str]:
    """The phases of alerts that fire at some time: in so much data a window may be pending by chance."""
    ids = {posted.body["id"] for posted in receiver.seen if posted.body["phase"] == "firing"}
    return [str(posted.body["phase"]) for posted in receiver.seen if posted.body["id"] in ids]


def phases(receiver: Receiver) -> list[str]:
    return [posted.body["phase"] for posted in receiver.seen]


def _passed(value: Callable[[], float], bound: float) -> bool:
    return value() > bound


def ends_by_itself(daemon: Daemon) -> None:
    """It exits with 0, within five seconds."""
    began = time.monotonic()
    assert daemon.process.wait(PATIENCE_SECONDS) == 0, daemon.log_file.read_text()
    assert time.monotonic() - began < 5


def test_at_the_end_of_a_file_all_is_scored_and_delivered_and_the_daemon_exits_with_0(
    setup: Setup, receiver: Receiver, run: Callable[[Daemon], Daemon]
) -> None:
    setup.file.write_bytes(lines(140, fault=(40, 80)))
    ends_by_itself(run(Daemon(setup.write(source_text("lines", setup.file), receiver=receiver))))
    assert phases(receiver) == ["pending", "firing", "resolved"]
    assert [posted.body["step"] for posted in receiver.seen] == [0, 1, 2]
    assert {posted.body["stream"] for posted in receiver.seen} == {STREAM}
    assert len({posted.body["id"] for posted in receiver.seen}) == 1


def test_without_a_source_of_mqtt_and_its_section_no_connection_is_opened(
    setup: Setup, run: Callable[[Daemon], Daemon]
) -> None:
    setup.file.write_bytes(lines(20))
    sabotage = "import os, socket; socket.create_connection = lambda *a, **k: os._exit(99)"
    daemon = run(SabotagedDaemon(setup.write(source_text("lines", setup.file)), sabotage))
    ends_by_itself(daemon)
    assert not [entry for entry in daemon.log() if "broker" in str(entry["event"])]


def test_killed_in_the_midst_of_a_file_nothing_is_lost_and_nothing_is_read_twice(
    setup: Setup, receiver: Receiver, tmp_path: Path, run: Callable[[Daemon], Daemon]
) -> None:
    messages = 60_000
    setup.file.write_bytes(lines(messages, fault=(30_000, 33_000), rows=1))
    open_end = tmp_path / "fifo"  # a second source, which nobody writes to: the daemon lives on at the end of the file
    os.mkfifo(open_end)
    config = setup.write(
        source_text("lines", setup.file),
        source_text("open", open_end).replace('"{site}.{device}"', '"other.{device}"'),
        receiver=receiver,
    )
    daemon = run(Daemon(config))

    def received() -> float:
        return daemon.value("residuald_samples_received_total", model="hum") or 0.0

    offsets = [0]
    for share in (0.2, 0.45, 0.7):
        wait_until(partial(_passed, received, share * messages), "some of the file")
        daemon.stop(signal.SIGKILL)
        daemon = run(Daemon(config))
        entry = daemon.event("a file is read on from where it was left")
        assert entry is not None
        assert isinstance(entry["offset"], int)
        assert offsets[-1] < entry["offset"] < setup.file.stat().st_size
        offsets.append(entry["offset"])
    wanted = (messages - LENGTH) // STRIDE + 1
    wait_until(
        lambda: daemon.value("residuald_windows_scored_total", stream=STREAM, model="hum") == wanted,
        f"{wanted} windows",
    )
    assert received() == messages
    discarded = [value for (name, _), value in daemon.metrics().items() if name == "residuald_samples_discarded_total"]
    assert sum(discarded) == 0
    wait_until(lambda: "resolved" in fired(receiver), "the alert is resolved")
    assert list(dict.fromkeys(fired(receiver))) == ["pending", "firing", "resolved"]
    assert daemon.stop() == 0


def test_a_file_that_was_read_to_its_end_is_not_read_again(
    setup: Setup, receiver: Receiver, run: Callable[[Daemon], Daemon]
) -> None:
    setup.file.write_bytes(lines(140, fault=(40, 80)))
    config = setup.write(source_text("lines", setup.file), receiver=receiver)
    for _ in range(2):
        ends_by_itself(run(Daemon(config)))
    assert phases(receiver) == ["pending", "firing", "resolved"]


def test_steps_that_no_server_took_are_delivered_by_the_next_process_in_order(
    setup: Setup, receiver: Receiver, run: Callable[[Daemon], Daemon]
) -> None:
    setup.file.write_bytes(lines(140, fault=(40, 80)))
    config = setup.write(source_text("lines", setup.file), receiver=receiver)
    receiver.stop()
    ends_by_itself(run(Daemon(config)))
    assert receiver.seen == []
    receiver.start()
    ends_by_itself(run(Daemon(config)))
    assert phases(receiver) == ["pending", "firing", "resolved"]


def test_a_server_that_hangs_does_not_keep_the_daemon_from_ending(
    setup: Setup, receiver: Receiver, run: Callable[[Daemon], Daemon]
) -> None:
    setup.file.write_bytes(lines(140, fault=(40, 80)))
    receiver.hanging.clear()
    ends_by_itself(run(Daemon(setup.write(source_text("lines", setup.file), receiver=receiver))))


def test_standard_input_is_watched_until_it_ends(
    setup: Setup, receiver: Receiver, run: Callable[[Daemon], Daemon]
) -> None:
    daemon = PipedDaemon(setup.write(source_text("lines", "-"), receiver=receiver))
    run(daemon)
    text = lines(140, fault=(40, 80)).splitlines(keepends=True)
    daemon.write(b"".join(text[:70]))
    wait_until(lambda: "firing" in phases(receiver), "the alert fires while the input is open")
    daemon.write(b"".join(text[70:]))
    daemon.close()
    ends_by_itself(daemon)
    assert phases(receiver) == ["pending", "firing", "resolved"]


def test_a_daemon_that_waits_for_standard_input_stops_when_told_to(
    setup: Setup, run: Callable[[Daemon], Daemon]
) -> None:
    daemon = run(PipedDaemon(setup.write(source_text("lines", "-"))))
    began = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - began < 5


def check(config: Path) -> "subprocess.CompletedProcess[str]":
    return run_forked("residuald", "check", "--config", config)


def test_check_refuses_a_file_that_is_not_there_and_so_does_the_start(setup: Setup) -> None:
    config = setup.write(source_text("lines", setup.file))
    outcome = check(config)
    assert outcome.returncode == 78
    assert f"source[0].file: cannot read {setup.file}: No such file or directory" in outcome.stderr
    started = Daemon(config)
    assert started.process.wait(PATIENCE_SECONDS) == 78


def test_check_says_that_standard_input_is_not_journaled(setup: Setup) -> None:
    outcome = check(setup.write(source_text("lines", "-")))
    assert outcome.returncode == 0
    assert "standard input is not journaled" in outcome.stdout
