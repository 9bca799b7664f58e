"""Where a refit's key comes from: the command line, systemd, or nowhere."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from trainer.artifact.refit_key import find_refit_key
from trainer.artifact.signing import make_keys
from trainer.errors import KeyFileError


@pytest.fixture
def credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "credentials"
    folder.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    return folder


def test_the_key_that_systemd_hands_over_is_found(credentials: Path) -> None:
    public = make_keys(credentials / "refit.key")
    key = find_refit_key(None)
    assert key is not None
    assert key.public_key().public_bytes_raw() in _raw(public)


def _raw(public: Path) -> bytes:
    return load_pem_public_key(public.read_bytes()).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def test_the_key_that_is_given_comes_first(credentials: Path, tmp_path: Path) -> None:
    make_keys(credentials / "refit.key")
    public = make_keys(tmp_path / "mine")
    key = find_refit_key(tmp_path / "mine")
    assert key is not None
    assert key.public_key().public_bytes_raw() in _raw(public)


@pytest.mark.parametrize("content", [None, b"", b"\n"])
def test_without_a_key_there_is_none(credentials: Path, content: bytes | None) -> None:
    if content is not None:
        (credentials / "refit.key").write_bytes(content)
    assert find_refit_key(None) is None


def test_outside_of_a_unit_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert find_refit_key(None) is None


def test_a_credential_that_is_no_key_is_told_and_not_passed_over(credentials: Path) -> None:
    (credentials / "refit.key").write_bytes(b"secret")
    with pytest.raises(KeyFileError, match="holds no Ed25519 private key") as caught:
        find_refit_key(None)
    assert "secret" not in str(caught.value)
