"""What works and is not what its owner may expect is warned of, and nothing else."""

from pathlib import Path
from typing import Any

import bcrypt
import pytest

from monitor.setup.advice import advice
from monitor.setup.registry import Config
from tests.certificates import Authority

MODEL = {"name": "m", "path": "/models/m"}
SOURCE = {"name": "s", "topic": "plant/{device}/vib", "model": "m", "format": {"kind": "json", "rows": "r"}}
USERS = {"prometheus": bcrypt.hashpw(b"x", bcrypt.gensalt(4)).decode()}


def warned(**sections: Any) -> list[str]:
    return list(advice(Config.model_validate({"source": [SOURCE], "model": [MODEL], **sections})))


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text("s3cret")
    path.chmod(0o600)
    return path


def test_defaults_are_warned_of_nothing() -> None:
    assert warned() == []


@pytest.mark.parametrize("host", ["localhost", "127.0.0.2", "::1"])
def test_a_password_to_this_machine_needs_no_tls(secret: Path, host: str) -> None:
    assert warned(mqtt={"host": host, "username": "u", "password_file": secret}) == []


@pytest.mark.parametrize("host", ["broker", "10.0.0.1", "localhost.example.org"])
def test_a_password_in_clear_text_to_another_machine_is_warned_of(secret: Path, host: str) -> None:
    (warning,) = warned(mqtt={"host": host, "username": "u", "password_file": secret})
    assert "clear text" in warning
    assert "[mqtt.tls]" in warning
    assert warned(mqtt={"host": host, "username": "u", "password_file": secret, "tls": {}}) == []


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o602])
def test_a_secret_that_others_can_read_or_change_is_warned_of(secret: Path, mode: int) -> None:
    secret.chmod(mode)
    (warning,) = warned(mqtt={"username": "u", "password_file": secret})
    assert warning.startswith(f"mqtt.password_file: other users of this machine can read or change {secret}")
    assert "`chmod 600` it" in warning


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o400])
def test_a_secret_for_one_user_or_a_group_that_reads_it_is_not(secret: Path, mode: int) -> None:
    secret.chmod(mode)
    assert warned(mqtt={"username": "u", "password_file": secret}) == []


def test_headers_of_a_webhook_are_a_secret_too(secret: Path, tmp_path: Path) -> None:
    secret.write_text("Authorization: Bearer x\n")
    secret.chmod(0o644)
    hook = {"url": "http://hooks.example.org/x", "headers_file": secret}
    found = "\n".join(warned(webhook=[hook], journal={"path": tmp_path}))
    assert "webhook webhook: headers_file: other users" in found
    assert "webhook webhook: its headers go to http://hooks.example.org in clear text" in found


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1"])
def test_http_for_everybody_is_warned_of(host: str) -> None:
    (warning,) = warned(http={"host": host})
    assert "[web.basic_auth_users]" in warning
    (warning,) = warned(http={"host": host}, web={"basic_auth_users": USERS})
    assert "clear text" in warning
    assert "[web.tls_server_config]" in warning


def test_passwords_over_https_or_to_this_machine_are_not(tmp_path: Path) -> None:
    pair = Authority(tmp_path, "authority").issue("server", "DNS:localhost")
    https = {"tls_server_config": {"cert_file": pair.certificate, "key_file": pair.key}}
    assert warned(http={"host": "0.0.0.0"}, web={"basic_auth_users": USERS, **https}) == []
    assert warned(http={"host": "::1"}, web={"basic_auth_users": USERS}) == []


def test_settings_that_contradict_one_another_are_warned_of() -> None:
    assert "8883" in warned(mqtt={"port": 8883})[0]
    assert "never fits the inbox" in warned(limits={"max_inbox_bytes": 2048})[0]
    assert "before they are silent" in warned(timing={"expire_after_seconds": 10, "silent_after_seconds": 20})[0]
    assert warned(model=[MODEL, MODEL | {"name": "idle"}]) == ["model idle: no source feeds it"]
