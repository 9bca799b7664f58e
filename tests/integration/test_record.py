"""`residuald record` keeps messages as they came, and leaves no traces at the broker."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.core.dataset.capture import CaptureError, read_capture
from tests.broker import PATIENCE_SECONDS, Broker, Peer, free_port, wait_until

pytestmark = pytest.mark.integration


def configuration(folder: Path, port: int) -> Path:
    path = folder / "monitor.toml"
    path.write_text(
        f"""
        [mqtt]
        host = "127.0.0.1"
        port = {port}
        [[source]]
        name = "motors"
        topic = "plant/{{site}}/{{device}}/vib"
        model = "motor"
        qos = 1
        format = {{ kind = "number" }}
        channels = ["vib_x"]
        [[model]]
        name = "motor"
        path = "models/motor"
        [limits]
        max_payload_bytes = 1000
        """
    )
    return path


def record(config: Path, out: Path, *options: str) -> "subprocess.Popen[str]":
    program = Path(sys.executable).with_name("residuald")
    command = [str(program), "record", "--config", str(config), "--out", str(out), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def payloads(out: Path) -> list[bytes]:
    """What is in a capture that is still being written."""
    try:
        return [captured.payload for captured in read_capture(out.read_bytes())]
    except (FileNotFoundError, CaptureError):
        return []  # not even its head is there


def publish_until_recorded(peer: Peer, out: Path, process: "subprocess.Popen[str]") -> None:
    """Wait until the recorder listens: what it has not subscribed to yet does not reach it."""

    def recorded() -> bool:
        assert process.poll() is None, process.communicate()
        peer.publish("plant/a/motor-1/vib", b"0", qos=1)
        return len(payloads(out)) > 0

    wait_until(recorded, "the first recorded message")


def test_messages_are_kept_as_they_came(broker: Broker, peer: Peer, tmp_path: Path) -> None:
    out = tmp_path / "plant.capture"
    peer.publish("plant/a/motor-2/vib", b"retained", qos=1, retain=True)
    process = record(configuration(tmp_path, broker.port), out)
    publish_until_recorded(peer, out, process)
    for number in range(1, 51):
        peer.publish("plant/a/motor-1/vib", b"%d" % number, qos=number % 2)
    peer.publish("plant/a/motor-1/vib", b"", qos=1)
    wait_until(lambda: {b"49", b"50", b""} <= set(payloads(out)), "the last ones")
    process.send_signal(signal.SIGINT)
    printed, logged = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, logged

    capture = read_capture(out.read_bytes())
    messages = list(capture)
    assert capture.leftover_bytes == 0
    assert out.stat().st_mode & 0o777 == 0o600
    assert printed == f"{out}: {capture.message_count} messages, {out.stat().st_size} bytes\n"
    assert [source.name for source in capture.sources] == ["motors"]
    assert [m.payload for m in messages if m.retained] == [b"retained"]
    live = [m for m in messages if not m.retained and m.payload != b"0"]
    assert sorted(int(m.payload) for m in live if m.payload) == list(range(1, 51))
    assert [m.payload for m in live].count(b"") == 1
    assert all(m.qos == int(m.payload) % 2 for m in live if m.payload)


def test_recording_does_not_disturb_the_daemon(broker: Broker, peer: Peer, tmp_path: Path) -> None:
    peer.listen("residuald/#")
    out = tmp_path / "plant.capture"
    process = record(configuration(tmp_path, broker.port), out)
    publish_until_recorded(peer, out, process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_SECONDS) == 0
    process.communicate()
    peer.publish("residuald/end", b"1", qos=1)
    wait_until(lambda: bool(peer.seen), "our own message")
    assert [seen.topic for seen in peer.seen] == ["residuald/end"]


def test_it_ends_before_the_file_is_larger_than_wanted(broker: Broker, peer: Peer, tmp_path: Path) -> None:
    out = tmp_path / "plant.capture"
    process = record(configuration(tmp_path, broker.port), out, "--max-bytes", "2000")

    def over() -> bool:
        peer.publish("plant/a/motor-1/vib", b"21.5", qos=1)
        return process.poll() is not None

    wait_until(over, "the end")
    assert process.returncode == 0, process.communicate()
    process.communicate()
    assert 1900 < out.stat().st_size <= 2000
    assert read_capture(out.read_bytes()).leftover_bytes == 0


def test_it_ends_after_the_duration_and_says_that_nothing_came(broker: Broker, tmp_path: Path) -> None:
    out = tmp_path / "plant.capture"
    process = record(configuration(tmp_path, broker.port), out, "--duration", "0.2")
    printed, logged = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, logged
    assert "0 messages" in printed
    assert "nothing came on plant/+/+/vib" in printed


def test_an_existing_file_is_not_overwritten(broker: Broker, tmp_path: Path) -> None:
    out = tmp_path / "plant.capture"
    out.write_bytes(b"precious")
    process = record(configuration(tmp_path, broker.port), out)
    _, told = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 73
    assert told == f"residuald: {out} exists; give another name or remove it\n"
    assert out.read_bytes() == b"precious"


def test_interrupting_it_while_there_is_no_broker_ends_it(tmp_path: Path) -> None:
    out = tmp_path / "plant.capture"
    process = record(configuration(tmp_path, free_port()), out)
    wait_until(out.exists, "the start")
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0
