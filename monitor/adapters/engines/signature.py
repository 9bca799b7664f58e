"""Signatures of artifacts: who made a file is checked before anything looks inside it, because loading a model runs it.

A signature stands beside its file, as `<file>.sig`: the 64 bytes of Ed25519 (RFC 8032) over every byte of the file, so
that nothing in it can change unseen. What was checked is what is loaded: the bytes are read once. Whoever may write the
folder put the file there, so what it is and how large is looked at before it is read.
"""

from collections.abc import Sequence
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from monitor.adapters.engines.settings import ArtifactsConfig
from monitor.core.artifact.manifest import SIGNATURE_SUFFIX
from monitor.errors import ArtifactError
from monitor.settings.regular_file import MAX_SETTINGS_BYTES, read_regular

_MAX_SIGNATURE_BYTES = 1024  # one takes 64


class Trust:
    """Whose artifacts are loaded: anybody's, or only those that one of the trusted keys has signed.

    Raises:
        ArtifactError: a trusted key cannot be used.

    """

    def __init__(self, config: ArtifactsConfig) -> None:
        self._required = config.require_signature
        self._max_bytes = config.max_bytes
        self._keys = [(path, _public_key(path)) for path in config.trusted_keys]

    @property
    def required(self) -> bool:
        """Whether only signed files are loaded."""
        return self._required

    def read(self, file: Path) -> bytes:
        """Read a regular file; where signatures are required, only if one of the keys signed these very bytes.

        Raises:
            OSError: the file itself cannot be read, is a link, or is too large.
            ArtifactError: its signature is missing, or by none of the keys.

        """
        data = read_regular(file, self._max_bytes, follow_link=False)
        if self._required:
            _check(file, data, self._keys)
        return data


def _check(file: Path, data: bytes, keys: Sequence[tuple[Path, Ed25519PublicKey]]) -> None:
    beside = file.with_name(file.name + SIGNATURE_SUFFIX)
    try:
        signature = read_regular(beside, _MAX_SIGNATURE_BYTES, follow_link=False)
    except OSError as error:
        raise ArtifactError(
            f"{beside}: no signature that can be read ({error.strerror}), and artifacts.require_signature is on; "
            f"sign the artifact with `residuald-trainer sign {file} --key FILE`"
        ) from None
    for _, key in keys:
        try:
            key.verify(signature, data)
        except InvalidSignature:
            continue
        return
    names = ", ".join(path.name for path, _ in keys)
    raise ArtifactError(
        f"{file}: not signed by a trusted key ({names}), or changed since; it was not loaded. "
        "If you know where it comes from, sign it anew"
    )


def _public_key(path: Path) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(read_regular(path, MAX_SETTINGS_BYTES))
    except OSError as error:
        raise ArtifactError(f"artifacts.trusted_keys: cannot read {path}: {error.strerror}") from None
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise ArtifactError(
            f"artifacts.trusted_keys: {path} holds no Ed25519 public key in PEM; `residuald-trainer keygen` makes one"
        )
    return key
