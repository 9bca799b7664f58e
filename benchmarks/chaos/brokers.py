"""The brokers that the chaos run can do with: those that keep sessions of QoS 1 over a restart."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common.broker_kinds import Launch, mosquitto, nats, rabbitmq

_UNLIMITED = "max_inflight_messages 0\n"


@dataclass(frozen=True, slots=True)
class BrokerChoice:
    """A broker. prepare: as of `Kind`. qos: of sources. device_qos: with which devices publish."""

    prepare: Callable[[Path, Path, int], Launch]
    protocol: str
    alert_qos: int
    qos: tuple[int, int]
    device_qos: int


def _unlimited_mosquitto(folder: Path, packages: Path, port: int) -> Launch:
    launch = mosquitto(folder, packages, port)
    with (folder / "mosquitto.conf").open("a") as config:
        config.write(_UNLIMITED)
    return launch


BROKERS = {
    "Mosquitto": BrokerChoice(_unlimited_mosquitto, "5", 2, (1, 2), 2),
    "RabbitMQ": BrokerChoice(rabbitmq, "3.1.1", 1, (1, 1), 1),
    "NATS": BrokerChoice(nats, "3.1.1", 2, (1, 2), 1),
}
