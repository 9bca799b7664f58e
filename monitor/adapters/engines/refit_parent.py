"""A refit that a refit key signed, vouched for by its parent: the version in the same folder that a trusted key signed.

The refit key lies on the machine that it speaks for, so it may tell what a model learnt there and nothing else: an
engine gets the parent's own program with the refit's numbers in it.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

from monitor.core.artifact.code_equality.graph_file import GraphFile
from monitor.core.artifact.code_equality.module_archive import ModuleArchive
from monitor.core.artifact.code_equality.same_model import require_same_model
from monitor.core.artifact.code_equality.unequal import UnequalError
from monitor.core.artifact.manifest import Manifest, ManifestError, Parent, parse_manifest
from monitor.core.artifact.model_folder_names import ARTIFACT_SUFFIX, CANDIDATES, ONNX_SUFFIX
from monitor.errors import ArtifactError

ReadTrusted = Callable[[Path], bytes]


def program_of_refit(file: Path, data: bytes, max_bytes: int, read: ReadTrusted) -> bytes:
    """Put a refit's numbers into its parent's archive.

    data: what `file` holds. max_bytes: most that the members of an archive may hold together. read: reads a file that a
    trusted key signed.

    Raises:
        ArtifactError: its parent is missing or not signed by a trusted key, or differs from it in more than numbers.

    """
    try:
        refit = ModuleArchive.read(data, max_bytes)
        manifest = parse_manifest(refit.manifest)
        parent_file = _parent_of(file, manifest, ARTIFACT_SUFFIX)
        parent_data = _read(file, parent_file, read)
        _require_sha256(manifest, parent_file, hashlib.sha256(parent_data).hexdigest())
        parent = ModuleArchive.read(parent_data, max_bytes)
        require_same_model(manifest, parse_manifest(parent.manifest))
        return parent.with_numbers_of(refit)
    except (UnequalError, ManifestError) as error:
        raise _refused(file, error) from None


def graph_of_refit(file: Path, data: bytes, read: ReadTrusted) -> bytes:
    """Put a refit's numbers into its parent's ONNX model.

    data: what `file` holds. read: reads a file that a trusted key signed.

    Raises:
        ArtifactError: its parent is missing or not signed by a trusted key, or differs from it in more than numbers.

    """
    try:
        refit = GraphFile.read(data)
        manifest = parse_manifest(refit.manifest)
        parent_file = _parent_of(file, manifest, ONNX_SUFFIX)
        parent = GraphFile.read(_read(file, parent_file, read))
        _require_sha256(manifest, parent_file, parent.artifact_sha256)
        require_same_model(manifest, parse_manifest(parent.manifest))
        return parent.with_numbers_of(refit)
    except (UnequalError, ManifestError) as error:
        raise _refused(file, error) from None


def _parent(manifest: Manifest) -> Parent:
    if manifest.provenance.parent is None:
        raise UnequalError("it names no parent")
    return manifest.provenance.parent


def _parent_of(file: Path, manifest: Manifest, suffix: str) -> Path:
    folder = file.parent.parent if file.parent.name == CANDIDATES else file.parent
    return folder / f"{_parent(manifest).version}{suffix}"


def _read(file: Path, parent: Path, read: ReadTrusted) -> bytes:
    try:
        return read(parent)
    except OSError as error:
        raise _refused(file, f"its parent {parent} cannot be read: {error.strerror}") from None
    except ArtifactError as error:
        raise _refused(file, f"its parent: {error}") from None


def _require_sha256(manifest: Manifest, parent: Path, found: str) -> None:
    if found != _parent(manifest).sha256:
        raise UnequalError(f"{parent.name} is not the parent that it names: its checksum is another")


def _refused(file: Path, why: object) -> ArtifactError:
    return ArtifactError(
        f"{file}: signed by a refit key, which is good for new numbers in the program of a parent alone: {why}; "
        "it was not loaded. If you want it as it is, sign it with a trusted key"
    )
