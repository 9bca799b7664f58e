"""Private keys to sign with: Ed25519 (RFC 8032), in PEM (PKCS 8), without a passphrase."""

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from monitor.settings.regular_file import MAX_SETTINGS_BYTES, read_regular


class SigningKeyError(Exception):
    """The key cannot be used; the message says why and what to do."""


def read_signing_key(path: Path) -> Ed25519PrivateKey:
    """Read a private key.

    Raises:
        SigningKeyError: it cannot be read, or is no Ed25519 private key without a passphrase.

    """
    try:
        key = load_pem_private_key(read_regular(path, MAX_SETTINGS_BYTES), password=None)
    except OSError as error:
        raise SigningKeyError(f"cannot read the key {path}: {error.strerror}") from None
    except TypeError:
        text = f"{path} is encrypted: decrypt it first, e.g. `openssl pkey -in {path} -out FILE`"
        raise SigningKeyError(text) from None
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningKeyError(f"{path} holds no Ed25519 private key in PEM; `residuald-trainer keygen` makes one")
    return key
