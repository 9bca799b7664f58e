"""The client id: that of the daemon where the configuration gives none, and those of commands that run beside it.

The daemon's is made up once, and kept beside the journal.

A fixed one would be the same for all daemons of a broker, which would take one another's place, and could be guessed by
whoever wants to take ours. One of each process would lose the session that the broker keeps.
"""

import hashlib
import os
import secrets
import socket
from pathlib import Path

import structlog

from monitor.adapters.mqtt.settings import MqttConfig
from monitor.adapters.storage.database import OURS
from monitor.adapters.storage.private_files import make_private_folder, open_private
from monitor.setup.registry import Config

log = structlog.get_logger()

_MACHINE_ID = Path("/etc/machine-id")
_FILE, _JOURNAL = "client_id", "journal.sqlite"
_OF_OLDER_VERSIONS = "residuald"
_LETTERS = 12  # 22 with the prefix: every broker takes 23 (MQTT 5.0, section 3.1.3.1)
_MOST_BYTES = 1024


def client_id_of(config: Config) -> str:
    """The client id that is configured, or the one that is kept; made up where there is none yet.

    Where nothing can be kept, it is made of the machine and our HTTP address, and so the same each time.
    """
    if config.mqtt.client_id is not None:
        return config.mqtt.client_id
    folder = config.journal.folder
    if folder is not None:
        try:
            return _kept(folder)
        except (OSError, UnicodeDecodeError) as error:
            log.warning("the client id cannot be kept; this machine's is used", folder=str(folder), reason=str(error))
    return f"residuald-{_of_this_machine(f'{config.http.host}:{config.http.port}')}"


def beside_daemon(config: MqttConfig, purpose: str) -> MqttConfig:
    """The settings under a client id of this process: with the daemon's it would take the daemon's place."""
    named = config.client_id or _OF_OLDER_VERSIONS
    return config.model_copy(update={"client_id": f"{named}-{purpose}-{os.getpid()}"})


def _kept(folder: Path) -> str:
    path = folder / _FILE
    try:
        with open(path, encoding="utf-8", opener=open_private) as file:
            found = file.read(_MOST_BYTES).strip()
        if found:
            return found
    except FileNotFoundError:
        pass
    # a session under the id of older versions may hold messages for us
    older = (folder / _JOURNAL).exists()
    made = _OF_OLDER_VERSIONS if older else f"residuald-{secrets.token_hex(_LETTERS // 2)}"
    make_private_folder(folder, OURS)
    with open(path, "w", encoding="utf-8", opener=open_private) as file:
        file.write(f"{made}\n")
        file.flush()
        os.fsync(file.fileno())
    return made


def _of_this_machine(address: str) -> str:
    try:
        machine = _MACHINE_ID.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        machine = ""
    # the name of the host, too: containers of one image have one machine id
    return hashlib.sha256(f"{machine} {socket.gethostname()} {address}".encode()).hexdigest()[:_LETTERS]
