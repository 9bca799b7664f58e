"""Files that the configuration names or that lie in its folders: none stops the daemon or fills its memory."""

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monitor.adapters.engines.loader import load_artifact
from monitor.adapters.engines.model_folder import read_rollback
from monitor.adapters.engines.settings import ArtifactsConfig
from monitor.adapters.engines.signature import Trust
from monitor.adapters.mqtt.client import FramingClient
from monitor.adapters.mqtt.frames import FrameReader
from monitor.adapters.mqtt.inbound_session import InboundSession
from monitor.adapters.mqtt.outbound_session import OutboundSession
from monitor.adapters.mqtt.settings import MqttConfig, TlsConfig
from monitor.adapters.storage.disk_store import DiskStore
from monitor.adapters.webhook.settings import WebhookConfig, read_headers
from monitor.cli import main
from monitor.core.values.snapshots import encode_state
from monitor.errors import ArtifactError, ConfigError
from monitor.readers import read_file
from monitor.readers.reading_settings import ReadingSettings
from monitor.setup.config_file import load_config
from tests.certificates import Authority
from tests.configurations import MOTORS
from tests.traps import TRAPS, endless, fifo, sparse, within
from trainer.artifact.signing import make_keys
from trainer.cli import main as trainer


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    authority = Authority(folder, "ca")
    authority.issue("cert", "DNS:localhost")
    return folder


@pytest.fixture
def folder(tmp_path: Path, certificates: Path) -> Path:
    """A folder with one of everything, as good as it must be for a look at it."""
    (tmp_path / "monitor.toml").write_text(MOTORS)
    for name in ("password", "headers"):
        (tmp_path / name).write_text("")
    for name in ("ca.pem", "cert.pem", "cert.key"):
        shutil.copy(certificates / name, tmp_path)
    make_keys(tmp_path / "sign.key")
    (tmp_path / "current").write_bytes(b"not an archive")
    (tmp_path / "current.sig").write_bytes(bytes(64))
    (tmp_path / "rollback.json").write_text('{"version": "1", "at": "2026-01-01T00:00:00Z"}')
    (tmp_path / "lines.csv").write_text("time,x\n0,1\n1,2\n")
    (tmp_path / "journal").mkdir(mode=0o700)
    store = DiskStore(tmp_path / "journal")
    store.open()
    store.write_checkpoint(encode_state({}))
    store.close()
    return tmp_path


def connect(password_file: Path | None = None, **tls: Path | None) -> None:
    """Read what a connection to the broker takes, as it is done for each one."""
    files: dict[str, Any] = {"ca_file": None, "certificate_file": None, "key_file": None} | tls
    config = MqttConfig.model_construct(  # checked at the start; the file has become another since
        **MqttConfig().model_dump()
        | {"username": "u", "password_file": password_file, "tls": TlsConfig.model_construct(**files) if tls else None}
    )
    FramingClient(config, FrameReader(True, 100, InboundSession(), OutboundSession(mqtt5=True)), persistent=True)


def configured(folder: Path, text: str) -> None:
    path = folder / "config.toml"
    path.write_text(MOTORS + text)
    load_config(path)


def opened(folder: Path) -> DiskStore:
    store = DiskStore(folder / "journal")
    store.open()
    return store


READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "configuration": ("monitor.toml", lambda folder: load_config(folder / "monitor.toml")),
    "password": ("password", lambda folder: connect(folder / "password")),
    "password named": (
        "password",
        lambda folder: configured(folder, '[mqtt]\nusername = "u"\npassword_file = "password"'),
    ),
    "authorities of the broker": ("ca.pem", lambda folder: connect(ca_file=folder / "ca.pem")),
    "certificate for the broker": (
        "cert.pem",
        lambda folder: connect(certificate_file=folder / "cert.pem", key_file=folder / "cert.key"),
    ),
    "key for the broker": (
        "cert.key",
        lambda folder: connect(certificate_file=folder / "cert.pem", key_file=folder / "cert.key"),
    ),
    "certificate of HTTP": (
        "cert.pem",
        lambda folder: configured(folder, '[web.tls_server_config]\ncert_file = "cert.pem"\nkey_file = "cert.key"'),
    ),
    "headers": ("headers", lambda folder: read_headers(folder / "headers")),
    "authorities of a webhook": (
        "ca.pem",
        lambda folder: WebhookConfig.model_construct(url="https://x/", ca_file=folder / "ca.pem").context(),
    ),
    "trusted key": (
        "sign.key.pub",
        lambda folder: Trust(ArtifactsConfig.model_construct(trusted_keys=(folder / "sign.key.pub",))),
    ),
    "artifact": ("current", load_artifact),
    "signature": (
        "current.sig",
        lambda folder: load_artifact(
            folder, trust=Trust(ArtifactsConfig(require_signature=True, trusted_keys=(folder / "sign.key.pub",)))
        ),
    ),
    "rollback": ("rollback.json", lambda folder: read_rollback(folder / "current", Trust(ArtifactsConfig()))),
    "checkpoint": ("journal/checkpoint", lambda folder: DiskStore(folder / "journal").read_checkpoint()),
    "recording": ("lines.csv", lambda folder: read_file(folder / "lines.csv", ReadingSettings())),
}
HELD_WHOLE = {"recording"}  # read by the person who named it, whatever its size


@pytest.mark.parametrize("trap", TRAPS)
@pytest.mark.parametrize("what", READERS)
def test_whatever_lies_there_is_refused_in_words_at_once(folder: Path, what: str, trap: Callable[[Path], None]) -> None:
    name, read = READERS[what]
    if trap is sparse and what in HELD_WHOLE:
        pytest.skip("its size is its owner's choice")
    (folder / name).unlink()
    trap(folder / name)
    with within(20), pytest.raises(Exception, match=r"FIFO|too large|a device|link|checkpoint") as caught:
        read(folder)
    assert not isinstance(caught.value, MemoryError)


@pytest.mark.parametrize("trap", [fifo, endless])
def test_what_is_no_database_is_no_journal(folder: Path, trap: Callable[[Path], None]) -> None:
    (folder / "journal" / "journal.sqlite").unlink()
    trap(folder / "journal" / "journal.sqlite")
    with within(20), pytest.raises(Exception, match=r"FIFO|a device|link"):
        opened(folder)


@pytest.mark.parametrize("link", ["current", "current.sig", "1.pt"])
def test_no_link_leads_out_of_a_models_folder(folder: Path, link: str) -> None:
    secret = folder / "secret"
    secret.write_text("s3cret")
    model = folder / "models" / "motor"
    model.mkdir(parents=True)
    (model / "1.pt").write_bytes(b"x")
    (model / "1.pt.sig").write_bytes(bytes(64))
    (model / "current").symlink_to("1.pt")
    name = "1.pt.sig" if link == "current.sig" else link
    (model / name).unlink()
    (model / name).symlink_to(secret)
    trust = Trust(ArtifactsConfig(require_signature=True, trusted_keys=(folder / "sign.key.pub",)))
    with pytest.raises(ArtifactError, match=r"a link leads out of its folder|is a link") as caught:
        load_artifact(model, trust=trust)
    assert "s3cret" not in str(caught.value)


def test_a_folder_of_credentials_that_cannot_be_entered_is_told_and_is_exit_code_78(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    credentials = folder / "credentials"
    credentials.symlink_to(credentials)  # a mode would not keep root out
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    path = folder / "monitor.toml"
    path.write_text(MOTORS + '[mqtt]\nusername = "u"\npassword_file = "password"')
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    (problem,) = caught.value.problems
    assert problem.startswith(
        f"mqtt.password_file: cannot look for password among the credentials of the unit, in {credentials}: "
    )
    assert main(["check", "--config", str(path)]) == 78
    assert "Traceback" not in capsys.readouterr().err


def test_a_check_beside_the_daemon_leaves_secrets_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder / "nowhere"))
    path = folder / "monitor.toml"
    path.write_text(
        MOTORS
        + '[mqtt]\nusername = "u"\npassword_file = "gone"\n[[webhook]]\nurl = "http://x/"\nheaders_file = "gone"\n'
        + '[web.tls_server_config]\ncert_file = "cert.pem"\nkey_file = "gone"'
    )
    load_config(path, secrets=False)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize(
    "text",
    [
        '[mqtt]\nusername = "u"\npassword_file = "a\\u0000b"',
        '[journal]\npath = "a\\u0000b"',
        '[[model]]\nname = "n"\npath = "a\\u0000b"',
        '[[source]]\nname = "f"\nfile = "a\\u0000b"\nmodel = "motor"\nformat = { kind = "number" }\nchannels = ["x"]',
    ],
)
def test_a_path_that_no_system_can_have_is_a_problem(folder: Path, text: str) -> None:
    (folder / "monitor.toml").write_text(MOTORS + text)
    with pytest.raises(ConfigError, match="must not hold a NUL character"):
        load_config(folder / "monitor.toml")


def modes(folder: Path) -> dict[str, str]:
    return {file.name: f"{stat.S_IMODE(file.stat().st_mode):o}" for file in (folder, *folder.iterdir())}


def test_journal_and_checkpoint_are_for_the_daemon_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store = DiskStore(tmp_path / "new")
        store.open()
        store.append(b"one", (), (), 0.0)
        store.write_checkpoint(encode_state({}))
    finally:
        os.umask(before)
    found = modes(tmp_path / "new")
    assert {"journal.sqlite", "journal.sqlite-wal", "checkpoint"} <= found.keys()
    assert found.pop("new") == "700"
    assert set(found.values()) == {"600"}


def test_a_journal_that_was_open_to_others_is_tightened(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "old")
    store.open()
    store.append(b"one", (), (), 0.0)
    store.write_checkpoint(encode_state({}))
    for file in (tmp_path / "old", *(tmp_path / "old").iterdir()):
        file.chmod(0o777)
    again = DiskStore(tmp_path / "old")
    again.open()
    again.write_checkpoint(encode_state({}))
    assert list(again.steps(0)) == [b"one"]
    found = modes(tmp_path / "old")
    assert found.pop("old") == "700"
    assert set(found.values()) == {"600"}


def test_a_folder_that_others_use_too_is_left_as_it_is(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    (shared / "theirs").write_text("")
    store = DiskStore(shared)  # held, or the database is closed, and takes files away, whenever it is collected
    store.open()
    found = modes(shared)
    assert (found["shared"], found["journal.sqlite"]) == ("755", "600")
    store.close()


@pytest.mark.parametrize("trap", [fifo, endless])
def test_the_trainer_reads_no_trap_either(
    folder: Path, capsys: pytest.CaptureFixture[str], trap: Callable[[Path], None]
) -> None:
    for name in ("current", "sign.key"):
        (folder / name).unlink()
        trap(folder / name)
    with within(60):
        assert trainer(["inspect", str(folder)]) == 66
        assert trainer(["sign", str(folder), "--key", str(folder / "sign.key")]) == 77
    told = capsys.readouterr().err
    assert told.count("is a FIFO") + told.count("is a device") == 2
