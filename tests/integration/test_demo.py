"""`residuald demo` as a user runs it, and the parts that only it uses."""

import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from monitor.demo.child import Child
from monitor.demo.embedded_broker import EmbeddedBroker
from monitor.demo.observer import Observer
from monitor.demo.scrape import is_ready, scrape
from monitor.errors import UnavailableError
from tests.broker import PATIENCE_SECONDS, Broker, Peer, free_port, wait_until

pytestmark = pytest.mark.integration

RESIDUALD = str(Path(sys.executable).with_name("residuald"))
STATE = b'{"schema":1,"stream":"a.b","state":"normal","quality":"good","score":0.5,"channel":"x","more":[]}'
ALERT = b'{"schema":1,"id":"7","phase":"firing","stream":"a.b","fired":true,"score":2.0,"channel":"x","time":1.0}'


@pytest.mark.timeout(500)
def test_the_demo_fits_models_injects_a_fault_alerts_tells_the_loop_and_leaves_nothing_behind(tmp_path: Path) -> None:
    options = ["--fault-after", "6", "--loop-after", "0"]
    command = [RESIDUALD, "demo", "--plain", "--folder", str(tmp_path / "demo"), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as demo:
        watchdog = threading.Timer(450, demo.kill)
        watchdog.start()
        lines: list[str] = []
        assert demo.stdout is not None
        for line in demo.stdout:
            lines.append(line)
            if "the model in use stays" in line:
                break
        watchdog.cancel()
        told = "".join(lines)
        assert re.search(r"ALERT +firing site1\.motor-2, score [0-9.]+, most in vib_", told), told
        assert told.index("motor-2: bearing_outer begins") < told.index("firing site1.motor-2")
        assert re.search(r"what pump-1 shows since \S+ \S+ is normal", told), told
        assert re.search(r"pump-2 false_alarm from", told), told
        accepted, refused = re.findall(r"pump: \S+, from 6 streams; windows left out: .*", told)
        assert "before_accept" in accepted
        assert "alert" in refused
        assert re.search(r"everything holds.*gate \(accepted\)", told, re.DOTALL), told
        waits = r"fails +most streams moved together .*exit code 75.* waits: most streams"
        assert re.search(waits, told, re.DOTALL), told
        # what learnt the fault is not in use
        assert re.findall(r"pump, generation (\d+)", told) == ["2", "2"]
        assert "mosquitto_sub -h 127.0.0.1 -p" in told
        children = psutil.Process(demo.pid).children(recursive=True)
        assert any("run" in child.cmdline() for child in children)
        demo.send_signal(signal.SIGTERM)
        told += demo.communicate(timeout=PATIENCE_SECONDS)[0]
    assert demo.returncode == 0, told
    assert not [child for child in children if child.is_running()]
    assert "Traceback" not in told
    for name in ("motor", "ecg"):
        assert (tmp_path / "demo" / "models" / name / "current").exists()


def test_ctrl_c_during_the_fit_stops_the_trainers(tmp_path: Path) -> None:
    command = [RESIDUALD, "demo", "--plain", "--folder", str(tmp_path / "demo")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as demo:
        process = psutil.Process(demo.pid)
        wait_until(lambda: len(process.children()) == 3, "three trainers", 2 * PATIENCE_SECONDS)
        trainers = process.children()
        demo.send_signal(signal.SIGINT)
        told = demo.communicate(timeout=PATIENCE_SECONDS)[0]
    assert demo.returncode == 0, told
    assert not [trainer for trainer in trainers if trainer.is_running()]
    assert "Traceback" not in told


def test_a_damaged_model_ends_the_demo_with_the_daemons_own_words(tmp_path: Path) -> None:
    for name in ("motor", "ecg"):
        (tmp_path / "models" / name).mkdir(parents=True)
        (tmp_path / "models" / name / "current").write_bytes(b"no artifact")
    command = [RESIDUALD, "demo", "--plain", "--folder", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 69
    assert "residuald ended with exit code 78" in done.stderr
    assert "model[0].path" in done.stderr


def test_a_broker_that_is_not_there_is_named_at_once(tmp_path: Path) -> None:
    command = [RESIDUALD, "demo", "--plain", "--folder", str(tmp_path), "--broker", f"127.0.0.1:{free_port()}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 69
    assert "no MQTT broker at 127.0.0.1" in done.stderr


def test_the_embedded_broker_carries_messages_retains_them_and_stops() -> None:
    broker = EmbeddedBroker("127.0.0.1", free_port())
    broker.start()
    try:
        observer = Observer(broker.host, broker.port, "residuald")
        observer.start()
        late = Observer(broker.host, broker.port, "residuald")
        publisher = Observer(broker.host, broker.port, "elsewhere")
        publisher.start()
        publisher._client.publish("residuald/a.b/state", STATE, qos=1, retain=True)
        wait_until(lambda: "a.b" in observer.states, "the state")
        late.start()
        wait_until(lambda: "a.b" in late.states, "the retained state")
        for client in (observer, late, publisher):
            client.stop()
    finally:
        broker.stop()
    with pytest.raises(ConnectionRefusedError), socket.create_connection((broker.host, broker.port)):
        pass


def test_the_embedded_broker_leaves_no_connection_open_that_said_nothing() -> None:
    broker = EmbeddedBroker("127.0.0.1", free_port())
    broker.start()
    with socket.create_connection((broker.host, broker.port), timeout=5.0) as silent:
        broker.stop()
        assert silent.recv(1) == b""


def test_a_port_that_is_taken_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UnavailableError, match=f"no broker on 127.0.0.1:{port}: .*in use"):
            EmbeddedBroker("127.0.0.1", port).start()


def test_the_observer_hears_states_alerts_and_their_end(broker: Broker, peer: Peer) -> None:
    observer = Observer(broker.host, broker.port, "residuald")
    observer.start()
    peer.publish("residuald/a.b/state", STATE, qos=1, retain=True)
    wait_until(lambda: "a.b" in observer.states, "the state")
    assert (observer.states["a.b"].state, observer.states["a.b"].channel) == ("normal", "x")
    peer.publish("residuald/a.b/alert", ALERT, qos=1)
    heard = observer.alerts.get(timeout=PATIENCE_SECONDS)
    assert (heard.phase, heard.fired, heard.score) == ("firing", True, 2.0)
    peer.publish("residuald/a.b/state", b"", qos=1, retain=True)
    wait_until(lambda: not observer.states, "that the state is taken back")
    observer.stop()


def test_a_daemon_that_is_not_there_is_neither_ready_nor_scraped() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    assert not is_ready(url)
    assert scrape(url) is None


def test_a_child_that_fails_is_told_with_its_last_words(tmp_path: Path) -> None:
    with (
        pytest.raises(UnavailableError, match=r"exit code 2; see .*child.log:\n(.*\n)*.*invalid choice: 'nonsense'"),
        Child("residuald", ["nonsense"], tmp_path / "child.log", threads=1) as child,
    ):
        child.wait(threading.Event())


def test_a_program_that_is_not_installed_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(UnavailableError, match="residuald-nonsense is not installed"),
        Child("residuald-nonsense", [], tmp_path / "child.log", threads=1),
    ):
        pass
