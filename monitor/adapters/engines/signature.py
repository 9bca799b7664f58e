"""Signatures of artifacts: who made a file is checked before anything looks inside it, because loading a model runs it.

A signature stands beside its file, as `<file>.sig`: the 64 bytes of Ed25519 (RFC 8032) over every byte of the file, so
that nothing in it can change unseen. What was checked is what is loaded: the bytes are read once. Whoever may write the
folder put the file there, so what it is and how large is looked at before it is read.

Two kinds of keys are told apart. Whatever a trusted key signed is loaded. A refit key lies where models are fitted anew
by themselves; what it signed is loaded as far as its parent vouches for it (`refit_parent.py`).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from monitor.adapters.engines.refit_parent import graph_of_refit, program_of_refit
from monitor.adapters.engines.settings import ArtifactsConfig
from monitor.core.artifact.manifest import SIGNATURE_SUFFIX
from monitor.errors import ArtifactError
from monitor.settings.regular_file import MAX_SETTINGS_BYTES, read_regular

_MAX_SIGNATURE_BYTES = 1024  # one takes 64


class TrustedArtifact(NamedTuple):
    """An artifact's file: what it holds, and the archive that an engine may load, which is the same in most cases."""

    data: bytes
    program: bytes


class Trust:
    """Whose artifacts are loaded: anybody's, or only those that one of the keys has signed.

    Raises:
        ArtifactError: a key cannot be used.

    """

    def __init__(self, config: ArtifactsConfig) -> None:
        self._required = config.require_signature
        self._max_bytes = config.max_bytes
        self._keys = _public_keys("trusted_keys", config.trusted_keys)
        self._refit_keys = _public_keys("refit_keys", config.refit_keys)
        trusted = {key.public_bytes_raw() for _, key in self._keys}
        for path, key in self._refit_keys:
            if key.public_bytes_raw() in trusted:
                raise ArtifactError(
                    f"artifacts.refit_keys: {path} is a trusted key as well, which may sign anything; "
                    "make a key of its own with `residuald-trainer keygen`"
                )

    @property
    def required(self) -> bool:
        """Whether only signed files are loaded."""
        return self._required

    def read(self, file: Path) -> bytes:
        """Read a regular file; where signatures are required, only if a trusted key signed these very bytes.

        Raises:
            OSError: the file itself cannot be read, is a link, or is too large.
            ArtifactError: its signature is missing, or by none of the keys.

        """
        data = self._read_regular(file)
        if self._required and not _is_signed(data, _signature(file), self._keys):
            raise _not_signed(file, self._keys)
        return data

    def read_artifact(self, file: Path) -> TrustedArtifact:
        """Read an artifact, which a refit key may have signed, too.

        Raises:
            OSError: as of `read`.
            ArtifactError: as of `read`; or a refit key signed it, and it is more than new numbers for its parent.

        """
        data = self._read_regular(file)
        if not self._is_by_refit_key(file, data):
            return TrustedArtifact(data, data)
        return TrustedArtifact(data, program_of_refit(file, data, self._max_bytes, self.read))

    def read_graph(self, file: Path) -> bytes:
        """Read an ONNX model, which a refit key may have signed, too; give what an engine may load.

        Raises:
            OSError: as of `read`.
            ArtifactError: as of `read_artifact`.

        """
        data = self._read_regular(file)
        return graph_of_refit(file, data, self.read) if self._is_by_refit_key(file, data) else data

    def _read_regular(self, file: Path) -> bytes:
        return read_regular(file, self._max_bytes, follow_link=False)

    def _is_by_refit_key(self, file: Path, data: bytes) -> bool:
        if not self._required:
            return False
        signature = _signature(file)
        if _is_signed(data, signature, self._keys):
            return False
        if _is_signed(data, signature, self._refit_keys):
            return True
        raise _not_signed(file, [*self._keys, *self._refit_keys])


_Keys = Sequence[tuple[Path, Ed25519PublicKey]]


def _signature(file: Path) -> bytes:
    beside = file.with_name(file.name + SIGNATURE_SUFFIX)
    try:
        return read_regular(beside, _MAX_SIGNATURE_BYTES, follow_link=False)
    except OSError as error:
        raise ArtifactError(
            f"{beside}: no signature that can be read ({error.strerror}), and artifacts.require_signature is on; "
            f"sign the artifact with `residuald-trainer sign {file} --key FILE`"
        ) from None


def _is_signed(data: bytes, signature: bytes, keys: _Keys) -> bool:
    for _, key in keys:
        try:
            key.verify(signature, data)
        except InvalidSignature:
            continue
        return True
    return False


def _not_signed(file: Path, keys: _Keys) -> ArtifactError:
    names = ", ".join(path.name for path, _ in keys)
    return ArtifactError(
        f"{file}: not signed by a trusted key ({names}), or changed since; it was not loaded. "
        "If you know where it comes from, sign it anew"
    )


def _public_keys(setting: str, paths: Sequence[Path]) -> _Keys:
    return [(path, _public_key(setting, path)) for path in paths]


def _public_key(setting: str, path: Path) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(read_regular(path, MAX_SETTINGS_BYTES))
    except OSError as error:
        raise ArtifactError(f"artifacts.{setting}: cannot read {path}: {error.strerror}") from None
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise ArtifactError(
            f"artifacts.{setting}: {path} holds no Ed25519 public key in PEM; `residuald-trainer keygen` makes one"
        )
    return key
