"""The client id that nobody configured: made up once, kept over restarts, and never that of another daemon."""

import socket
from pathlib import Path

import pytest

from monitor.adapters.mqtt.settings import MqttConfig
from monitor.adapters.storage.settings import JournalConfig
from monitor.adapters.web.settings import HttpConfig
from monitor.setup import client_id
from monitor.setup.client_id import beside_daemon, client_id_of
from monitor.setup.registry import Config


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def config(folder: Path | None, client_id: str | None = None, port: int = 9108) -> Config:
    return Config.model_construct(
        mqtt=MqttConfig(client_id=client_id), journal=JournalConfig(path=folder), http=HttpConfig(port=port)
    )


def test_a_configured_client_id_is_used_whatever_is_kept(folder: Path) -> None:
    client_id_of(config(folder))
    assert client_id_of(config(folder, "Anlage Süd 1")) == "Anlage Süd 1"


def test_one_is_made_up_once_and_kept(folder: Path, tmp_path: Path) -> None:
    made = client_id_of(config(folder))
    assert made.startswith("residuald-")
    assert len(made) <= 23
    assert client_id_of(config(folder)) == made
    assert client_id_of(config(tmp_path / "another")) != made
    assert (folder / "client_id").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


def test_where_an_older_version_left_a_journal_its_client_id_stays(folder: Path) -> None:
    folder.mkdir()
    (folder / "journal.sqlite").touch()
    assert client_id_of(config(folder)) == "residuald"
    (folder / "journal.sqlite").unlink()
    assert client_id_of(config(folder)) == "residuald"


def test_an_empty_file_is_filled(folder: Path) -> None:
    folder.mkdir()
    (folder / "client_id").touch()
    made = client_id_of(config(folder))
    assert made.startswith("residuald-")
    assert client_id_of(config(folder)) == made


def test_without_a_place_to_keep_it_it_is_the_same_each_time_and_another_for_another_daemon(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for nowhere in (None, tmp_path / "file" / "journal"):
        made = client_id_of(config(nowhere))
        assert made == client_id_of(config(nowhere))
        assert made != client_id_of(config(nowhere, port=9109))
        assert len(made) <= 23


@pytest.mark.parametrize("named", [None, "press-7"])
def test_a_command_beside_the_daemon_has_a_client_id_of_its_own_that_tells_whose_it_is(named: str | None) -> None:
    beside = beside_daemon(MqttConfig(client_id=named), "check").client_id
    assert beside is not None
    assert beside.startswith(f"{named or 'residuald'}-check-")
    assert beside_daemon(MqttConfig(client_id=named), "record").client_id != beside


def test_containers_of_one_image_have_ids_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = tmp_path / "machine-id"
    machine.write_text("8c7e5a1f0d3b4c6e9a2f1b0d4e6f8a7c\n")
    monkeypatch.setattr(client_id, "_MACHINE_ID", machine)
    made = set()
    for name in ("3f9a1c", "b07d42"):
        monkeypatch.setattr(socket, "gethostname", lambda name=name: name)
        made.add(client_id_of(config(None)))
    assert len(made) == 2
