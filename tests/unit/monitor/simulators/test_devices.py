"""How a simulated device addresses and packs its telemetry, read back by the decoders of the daemon."""

from pathlib import Path

import numpy as np
import pytest

from monitor.core.decode.binary_format.settings import BinaryFormat
from monitor.core.decode.decoder import decoder_for
from monitor.core.decode.formats import Format
from monitor.core.decode.json_format.settings import JsonFormat
from monitor.core.sources.topics import TopicPattern
from monitor.demo.device_fleet import Broker, Payload, SimulatedDevice, SimulatedFleet
from monitor.demo.simulated_files import numbered
from monitor.simulators.ecg import Ecg
from monitor.simulators.fault import Fault
from monitor.simulators.motor import Motor
from monitor.simulators.simulator import Simulator
from tests.payloads import batch_of

ROWS = JsonFormat(kind="json", timestamp="ts", rows="rows")
VALUES = JsonFormat(kind="json", timestamp="ts", values="values")
F32 = BinaryFormat(kind="binary", encoding="f32")


def device(
    pattern: str, simulator: Simulator, payload: Payload = Payload.JSON, name: str = "motor-3"
) -> SimulatedDevice:
    return SimulatedDevice(name, TopicPattern.parse(pattern), simulator, payload)


@pytest.mark.parametrize(
    ("pattern", "topic", "truth"),
    [
        ("plant/{site}/{device}/motor", "plant/site1/motor-3/motor", "truth/plant/site1/motor-3/motor"),
        ("{device}", "motor-3", "truth/motor-3"),
        ("hall/{device}/{channel}", "hall/motor-3/{channel}", "truth/hall/motor-3"),
        ("fixed/topic", "fixed/topic", "truth/fixed/topic"),
    ],
)
def test_the_last_placeholder_takes_the_name_of_the_device(pattern: str, topic: str, truth: str) -> None:
    made = device(pattern, Ecg())
    assert (made.topic, made.truth_topic) == (topic, truth)


@pytest.mark.parametrize(
    ("simulator", "payload", "settings"),
    [
        (Motor, Payload.JSON, ROWS),
        (Motor, Payload.F32, F32),
        (Ecg, Payload.JSON, VALUES),
        (Ecg, Payload.F32, F32),
    ],
)
def test_the_daemon_decodes_what_a_device_packs(
    simulator: type[Motor] | type[Ecg], payload: Payload, settings: Format
) -> None:
    block = simulator().take(50)
    [(topic, packed)] = device("plant/{device}/x", simulator(), payload).messages(block, 1_700_000_000.125)
    assert topic == "plant/motor-3/x"
    decoded = decoder_for(settings, block.values.shape[1], 1_000_000).decode(batch_of([packed]))
    assert not decoded.refused
    np.testing.assert_allclose(decoded.values, block.values, atol=1e-6)
    expected = 1_700_000_000.125 if payload is Payload.JSON else np.nan
    np.testing.assert_array_equal(decoded.first_time_seconds, [expected])


@pytest.mark.parametrize(("payload", "settings"), [(Payload.JSON, ROWS), (Payload.F32, F32)])
def test_samples_that_a_sensor_lost_arrive_as_nan(payload: Payload, settings: Format) -> None:
    block = Motor(faults=[Fault(name="sensor_dropout", severity=1.0)]).take(500)
    [(_, packed)] = device("{device}", Motor(), payload).messages(block, 0.0)
    decoded = decoder_for(settings, 5, 1_000_000).decode(batch_of([packed]))
    assert np.isnan(block.values).any()
    np.testing.assert_array_equal(np.isnan(decoded.values), np.isnan(block.values))


def test_a_topic_per_channel_gets_a_message_per_channel() -> None:
    block = Motor().take(20)
    messages = device("plant/{device}/{channel}", Motor()).messages(block, 0.0)
    assert [topic for topic, _ in messages] == [f"plant/motor-3/{channel}" for channel in Motor.kind.channels]
    decoded = decoder_for(VALUES, 1, 1_000_000).decode(batch_of([packed for _, packed in messages]))
    np.testing.assert_allclose(decoded.values.reshape(5, 20).T, block.values, atol=1e-6)


def test_a_password_does_not_show_in_the_text_of_a_broker() -> None:
    assert "hunter2" not in repr(Broker("localhost", 1883, "ann", "hunter2"))


def test_a_fleet_that_cannot_work_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a duration"):
        SimulatedFleet(Broker("localhost"), [device("{device}", Ecg())], speed=2.0)
    with pytest.raises(ValueError, match="would share the topic 'a/b'"):
        SimulatedFleet(Broker("localhost"), [device("a/b", Ecg()), device("a/b", Ecg())])
    with pytest.raises(ValueError, match="would carry no sample"):
        SimulatedFleet(Broker("localhost"), [device("{device}", Ecg())], message_period_seconds=0.003)


def test_files_of_several_devices_are_numbered() -> None:
    assert numbered(Path("a/x.npz"), 1) == [Path("a/x.npz")]
    assert numbered(Path("a/x.npz"), 2) == [Path("a/x-1.npz"), Path("a/x-2.npz")]
