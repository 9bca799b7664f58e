"""Simulated fleets on a real broker, and `residuald simulate` as a user runs it."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from monitor.core.dataset.recording import Recording, parse_recording
from monitor.core.sources.topics import TopicPattern
from monitor.demo import device_fleet as simulated_fleet
from monitor.demo.device_fleet import Payload, SimulatedDevice, SimulatedFleet
from monitor.errors import UnavailableError
from monitor.simulators.ecg import Ecg
from monitor.simulators.fault import Fault
from monitor.simulators.motor import Motor
from tests.broker import PATIENCE_SECONDS, Broker, Peer, free_port, running, wait_until
from tests.forked import run_forked
from tests.scripted_broker import PUBREL, ScriptedBroker

pytestmark = pytest.mark.integration

MOTORS, BEDS = TopicPattern.parse("plant/{site}/{device}/motor"), TopicPattern.parse("ward/{bed}/ecg")
RESIDUALD = str(Path(sys.executable).with_name("residuald"))


def address(broker: Broker, **credentials: str) -> simulated_fleet.Broker:
    return simulated_fleet.Broker(broker.host, broker.port, **credentials)  # type: ignore[arg-type]  # texts only


@pytest.fixture
def endless(broker: Broker) -> Iterator[SimulatedFleet]:
    faults = [Fault(name="imbalance", onset_seconds=0.3)]
    fleet = SimulatedFleet(address(broker), [SimulatedDevice("motor-1", MOTORS, Motor(faults=faults))])
    yield fleet
    fleet.stop()


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_every_sample_arrives_once_and_in_order_on_one_time_grid(broker: Broker, peer: Peer, qos: int) -> None:
    peer.listen("plant/#")
    peer.listen("ward/#")
    devices = [
        *(SimulatedDevice(f"motor-{n}", MOTORS, Motor(device=n)) for n in (1, 2)),
        SimulatedDevice("bed-1", BEDS, Ecg()),
    ]
    fleet = SimulatedFleet(address(broker), devices, qos=qos, speed=10.0, duration_seconds=5.05)
    fleet.start()
    assert fleet.wait(PATIENCE_SECONDS)
    fleet.stop()
    ended = time.time()
    wait_until(lambda: len(peer.seen) == 3 * 51, "51 messages of three devices")
    assert (fleet.status.messages, fleet.status.unsent) == (153, 0)
    for topic, field, simulator in (
        ("plant/site1/motor-2/motor", "rows", Motor(device=2)),
        ("ward/bed-1/ecg", "values", Ecg()),
    ):
        blocks = [json.loads(payload) for payload in peer.payloads(topic)]
        samples = np.concatenate(
            [np.asarray(block[field]).reshape(-1, len(simulator.kind.channels)) for block in blocks]
        )
        expected = simulator.take(round(5.05 * simulator.sample_rate_hz)).values
        np.testing.assert_allclose(samples, expected, atol=1e-6)
        lengths = np.array([len(block[field]) for block in blocks])
        grid = blocks[0]["ts"] + np.cumsum(np.concatenate(([0], lengths[:-1]))) / simulator.sample_rate_hz
        np.testing.assert_allclose([block["ts"] for block in blocks], grid, atol=1e-5)
        # it began in the past and has caught up with the clock
        assert blocks[0]["ts"] < ended - 4
        assert blocks[-1]["ts"] <= ended


def test_the_truth_is_told_beside_the_telemetry_and_taken_back_at_the_end(
    broker: Broker, peer: Peer, endless: SimulatedFleet
) -> None:
    peer.listen("truth/#")
    endless.start()
    wait_until(lambda: endless.status.faults == {"motor-1": ("imbalance",)}, "the fault")
    topic = "truth/plant/site1/motor-1/motor"
    wait_until(lambda: len(peer.payloads(topic)) == 1, "the truth")
    truth = json.loads(peer.payloads(topic)[0])
    assert (truth["label"], truth["faults"]) == (1, ["imbalance"])
    latecomer = Peer(broker)
    latecomer.listen("truth/#")
    wait_until(lambda: len(latecomer.seen) == 1, "the retained truth")
    latecomer.close()
    endless.stop()
    wait_until(lambda: peer.payloads(topic)[-1] == b"", "that the truth is taken back")


def test_another_thread_may_stop_the_fleet(endless: SimulatedFleet) -> None:
    endless.start()
    wait_until(lambda: endless.status.messages > 0, "a message")
    stopper = threading.Thread(target=endless.stop)
    stopper.start()
    stopper.join(PATIENCE_SECONDS)
    assert endless.wait(0)
    assert not endless.status.connected


def test_a_broker_that_goes_away_and_comes_back_finds_the_fleet_again(broker: Broker, endless: SimulatedFleet) -> None:
    endless.start()
    wait_until(lambda: endless.status.messages > 0, "a message")
    broker.stop()
    wait_until(lambda: endless.status.unsent > 0, "a lost message")
    broker.start()
    wait_until(lambda: endless.status.connected, "the connection")
    before = endless.status.messages
    wait_until(lambda: endless.status.messages > before, "a message after it")


def test_what_a_broken_connection_takes_with_it_counts_as_lost_and_the_fleet_goes_on(broker: Broker) -> None:
    most_in_sockets = 700  # a message is 25 KB or more, and the buffers on loopback take about 10 MB
    seconds = 2000  # at 400 times real time some are left to send when the client has reconnected, a second later
    fleet = SimulatedFleet(
        address(broker),
        [SimulatedDevice("motor-1", MOTORS, Motor())],
        message_period_seconds=1.0,
        speed=400.0,
        duration_seconds=seconds,
    )
    fleet.start()
    broker.freeze()
    wait_until(lambda: fleet.status.messages > most_in_sockets, "more messages than the sockets take")
    broker.kill()
    broker.start()
    assert fleet.wait(PATIENCE_SECONDS)
    fleet.stop()
    assert fleet.status.unsent > 0
    assert fleet.status.messages + fleet.status.unsent == seconds


def test_a_fleet_that_ends_has_released_what_it_sent_with_qos_2() -> None:
    with ScriptedBroker().serving() as broker:
        device = SimulatedDevice("bed-1", BEDS, Ecg(), Payload.F32)
        fleet = SimulatedFleet(
            address(broker), [device], message_period_seconds=0.04, qos=2, speed=10.0, duration_seconds=0.4
        )
        fleet.start()
        assert fleet.wait(PATIENCE_SECONDS)
        fleet.stop()
        assert broker.received[PUBREL] == fleet.status.messages == 10


def test_no_broker_and_a_broker_that_refuses_are_told_apart(tmp_path: Path) -> None:
    devices = [SimulatedDevice("bed-1", BEDS, Ecg())]
    nowhere = simulated_fleet.Broker("127.0.0.1", free_port())
    with pytest.raises(UnavailableError, match=f"no MQTT broker at 127.0.0.1:{nowhere.port}"):
        SimulatedFleet(nowhere, devices).start()
    with running(Broker(tmp_path, "allow_anonymous false")) as strict:
        fleet = SimulatedFleet(address(strict, username="ann", password="wrong"), devices)
        with pytest.raises(UnavailableError, match="does not let us in: Not authorized"):
            fleet.start()


def residuald(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return run_forked("residuald", "simulate", *arguments)


def recording(path: Path) -> Recording:
    parsed = parse_recording(path.name, path.read_bytes())
    assert isinstance(parsed, Recording)
    return parsed


def test_files_keep_the_contract_and_the_seed(tmp_path: Path) -> None:
    fault = ["--fault", "looseness", "--fault-after", "3", "--fault-for", "1", "--fault-device", "2"]
    common = ["motor", "--devices", "2", "--duration", "5", "--seed", "9"]
    for folder in ("a", "b"):
        done = residuald(*common, *fault, "--out", tmp_path / folder / "m.npz")
        assert done.returncode == 0, done.stderr
        assert "m-2.npz: 5 s of motor at 1000 Hz, looseness at 3 to 4 s" in done.stdout
    first, second = (recording(tmp_path / "a" / f"m-{number}.npz") for number in (1, 2))
    assert first.labels is not None
    assert second.labels is not None
    assert not first.labels.any()
    assert np.flatnonzero(second.labels).tolist() == list(range(3000, 4000))
    for name in ("m-1.npz", "m-2.npz"):
        np.testing.assert_array_equal(
            recording(tmp_path / "a" / name).samples, recording(tmp_path / "b" / name).samples
        )
    assert residuald("ecg", "--duration", "20", "--bursts", "1/4", "--out", tmp_path / "b.npz").returncode == 0
    assert recording(tmp_path / "b.npz").segment.tolist() == [number for number in range(5) for _ in range(250)]
    assert residuald("ecg", "--duration", "20", "--out", tmp_path / "e.csv").returncode == 0
    assert recording(tmp_path / "e.csv").samples.shape == (5000, 1)


def test_ctrl_c_ends_publishing_cleanly(broker: Broker, peer: Peer) -> None:
    peer.listen("ward/#")
    with subprocess.Popen(
        [RESIDUALD, "simulate", "ecg", "--broker", f"{broker.host}:{broker.port}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        wait_until(lambda: len(peer.seen) > 2, "telemetry")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, err
    assert "messages published, 0 lost" in out
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (["motor", "--fault", "rust"], 2, "invalid choice: 'rust' (choose from"),
        (["motor", "--out", "x.txt"], 2, "must end in .npz or .csv"),
        (
            ["motor", "--severity", "2", "--fault", "imbalance"],
            2,
            "severity of imbalance must be above 0 and at most 1",
        ),
        (["motor", "--fault", "imbalance", "--fault-device", "2"], 2, "--devices is only 1"),
        (["motor", "--duration", "soon"], 2, "'soon' is not a number"),
        (["motor", "--topic", "a/+"], 2, "no + or #"),
        (["ecg", "--bursts", "2", "--out", "x.npz"], 2, "'2' is not LENGTH/EVERY"),
        (["ecg", "--bursts", "1/2", "--out", "x.csv", "--duration", "9"], 2, "write an NPZ"),
        (["ecg", "--speed", "2"], 2, "needs a duration"),
        (["ecg", "--broker", "host:port"], 2, "'host:port' is not HOST or HOST:PORT"),
        (["ecg", "--password-file", "/nowhere", "--username", "ann"], 2, "cannot read /nowhere"),
        (["ecg", "--duration", "1", "--out", "/proc/x/y.npz"], 73, "cannot write /proc/x/y.npz"),
    ],
)
def test_a_wrong_command_line_says_what_is_wrong(arguments: list[str], code: int, problem: str) -> None:
    done = residuald(*arguments)
    assert (done.returncode, problem in done.stderr) == (code, True), done.stderr


def test_no_broker_ends_with_a_plain_message() -> None:
    done = residuald("ecg", "--broker", f"127.0.0.1:{free_port()}")
    assert done.returncode == 69
    assert "no MQTT broker at 127.0.0.1" in done.stderr
    assert "Traceback" not in done.stderr
