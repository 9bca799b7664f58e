"""The key of a trainer that refits by itself, and whether what it signs will be loaded."""

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from monitor.core.artifact.code_equality.graph_file import GraphFile
from monitor.core.artifact.code_equality.module_archive import ModuleArchive
from monitor.core.artifact.code_equality.unequal import UnequalError
from monitor.settings.regular_file import MAX_SETTINGS_BYTES, read_regular
from trainer.artifact.signing import read_key
from trainer.errors import KeyFileError

CREDENTIALS_DIRECTORY = "CREDENTIALS_DIRECTORY"  # set by systemd for a unit with LoadCredential=, see systemd.exec(5)
CREDENTIAL = "refit.key"

_MAX_BYTES = 2**30


def find_refit_key(given: Path | None) -> Ed25519PrivateKey | None:
    """Read the key to sign refits with: the one given, or the unit's credential `refit.key`; None: there is none.

    The unit has an empty credential where nobody made a key.

    Raises:
        KeyFileError: there is one, and it cannot be read or is no Ed25519 private key.

    """
    if given is not None:
        return read_key(given)
    folder = os.environ.get(CREDENTIALS_DIRECTORY)
    if not folder:
        return None
    passed = Path(folder, CREDENTIAL)
    try:
        if not read_regular(passed, MAX_SETTINGS_BYTES).strip():
            return None
    except FileNotFoundError:
        return None
    except OSError as error:
        raise KeyFileError(f"cannot read the key {passed}: {error.strerror}") from None
    return read_key(passed)


def difference_from_parent(parent: bytes, refit: bytes) -> str | None:
    """Tell in what a refit's program differs from its parent's; None: a daemon loads it by a refit key's signature."""
    try:
        ModuleArchive.read(parent, _MAX_BYTES).with_numbers_of(ModuleArchive.read(refit, _MAX_BYTES))
    except UnequalError as error:
        return str(error)
    return None


def onnx_difference_from_parent(parent: bytes, refit: bytes) -> str | None:
    """Tell likewise in what a refit's ONNX model differs."""
    try:
        GraphFile.read(parent).with_numbers_of(GraphFile.read(refit))
    except UnequalError as error:
        return f"the ONNX model: {error}"
    return None
