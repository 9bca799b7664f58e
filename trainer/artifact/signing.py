"""Ed25519 signatures (RFC 8032) of artifacts: making keys, and signing files for daemons that require it.

Keys are PEM (PKCS 8 and SubjectPublicKeyInfo) and a signature is the bare 64 bytes, so that openssl can do
all of it, too. The daemon's side is `monitor/adapters/engines/signature.py`.
"""

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from monitor.core.artifact.manifest import SIGNATURE_SUFFIX
from monitor.settings.signing_key import SigningKeyError, read_signing_key
from trainer.errors import KeyFileError, OutputError

PUBLIC_SUFFIX = ".pub"


def make_keys(path: Path) -> Path:
    """Write a new private key to `path` (only its owner can read it) and its public key beside it; return the latter.

    Raises:
        OutputError: one of the files is there already, or cannot be written.

    """
    key = Ed25519PrivateKey.generate()
    public = path.with_name(path.name + PUBLIC_SUFFIX)
    if public.exists():
        raise OutputError(f"{public} is there already: choose another name, or move the old keys away")
    _write_new(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600)
    _write_new(public, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), 0o644)
    return public


def read_key(path: Path) -> Ed25519PrivateKey:
    """Read a private key.

    Raises:
        KeyFileError: it cannot be read, or is no Ed25519 private key without a passphrase.

    """
    try:
        return read_signing_key(path)
    except SigningKeyError as error:
        raise KeyFileError(str(error)) from None


def signature_path(file: Path) -> Path:
    """Where the signature of `file` stands."""
    return file.with_name(file.name + SIGNATURE_SUFFIX)


def _write_new(path: Path, data: bytes, mode: int) -> None:
    try:
        # exclusively, and never readable to others, not even for a moment
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:  # noqa: PTH123 - by descriptor
            file.write(data)
    except FileExistsError:
        raise OutputError(f"{path} is there already: choose another name, or move the old keys away") from None
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from None
