"""The artifact folder: `models/NAME/VERSION.pt`, its report, and `current`, a link to the version in use.

`VERSION.onnx`, where it was asked for, is the same model for ONNX Runtime. `VERSION.pt.sig` and `VERSION.onnx.sig` are
their signatures. The first version comes into use at once. Later ones wait in `candidates/` with a proposal: which of
them come into use is decided by the daemon, or by a person with `residuald models promote`.
"""

import hashlib
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from monitor.core.artifact.generation import Generation, GenerationError, following, parse_generation
from monitor.core.artifact.model_folder_names import (
    ARTIFACT_SUFFIX,
    CANDIDATES,
    CURRENT,
    GENERATION_FILE,
    ONNX_SUFFIX,
    PROPOSAL_SUFFIX,
    REPORT_SUFFIX,
    VERSION_SUFFIXES,
)
from monitor.core.artifact.proposal import Proposal
from monitor.core.values.names import is_name
from monitor.settings.regular_file import MAX_SETTINGS_BYTES, read_regular
from monitor.settings.whole_file import point_link, write_whole
from trainer.artifact.signing import signature_path
from trainer.errors import ArtifactError, OutputError

_KEPT_CANDIDATES = 5
_HALF_WRITTEN_SECONDS = 86_400.0


def model_name(folder: Path) -> str:
    """Take the model's name from its folder.

    Raises:
        OutputError: the folder's name is not safe as a model name.

    """
    name = folder.absolute().name
    if not is_name(name):
        raise OutputError(f"--out {folder}: the folder names the model; use letters, digits and _ . : - only")
    return name


def champion_in(folder: Path) -> str | None:
    """The version in use in a model's folder; None where there is none yet."""
    current = folder / CURRENT
    if not current.exists():
        return None
    return (current.readlink() if current.is_symlink() else current).name.removesuffix(ARTIFACT_SUFFIX)


def publish(
    folder: Path,
    version: str,
    artifact: bytes,
    report: str,
    onnx: bytes | None = None,
    key: Ed25519PrivateKey | None = None,
) -> Path:
    """Put the first version of a model's folder into use; let any later one wait as a candidate that nobody checked.

    Returns the artifact's path.

    Every step is atomic: a reader of `current` sees no artifact or a whole one, also after a power cut.

    Raises:
        OutputError: the folder cannot be written.

    """
    champion, at = champion_in(folder), datetime.now(UTC)
    if champion is not None:
        sha256 = hashlib.sha256(artifact).hexdigest()
        proposal = Proposal(version=version, sha256=sha256, at=at, parent=champion, by="fit")
        return propose(folder, proposal, artifact, report, onnx, key)
    path = write_version(folder, version, artifact, report, onnx, key)
    last = _generation_in(folder)
    generation = following(last, None, version, at, "fit", "first")
    try:
        _write_signed(folder / GENERATION_FILE, generation.model_dump_json().encode(), key)
        point_link(folder / CURRENT, path.name)
    except OSError as error:
        raise OutputError(f"cannot write {error.filename or folder}: {error.strerror}") from None
    return path


def propose(
    folder: Path,
    proposal: Proposal,
    artifact: bytes,
    report: str,
    onnx: bytes | None = None,
    key: Ed25519PrivateKey | None = None,
) -> Path:
    """Lay a version among a model's candidates, its proposal last; those of which nothing can come any more go.

    Returns the artifact's path.

    Raises:
        OutputError: the folder cannot be written.

    """
    inbox = folder / CANDIDATES
    path = write_version(inbox, proposal.version, artifact, report, onnx, key)
    try:
        write_whole(inbox / f"{proposal.version}{PROPOSAL_SUFFIX}", proposal.model_dump_json().encode())
        _remove_old(folder)
    except OSError as error:
        raise OutputError(f"cannot write {error.filename or inbox}: {error.strerror}") from None
    return path


def write_version(
    folder: Path,
    version: str,
    artifact: bytes,
    report: str,
    onnx: bytes | None = None,
    key: Ed25519PrivateKey | None = None,
) -> Path:
    """Write report, ONNX model and artifact, signed if there is a key, each of them whole; the artifact's path.

    Raises:
        OutputError: the folder cannot be written.

    """
    path = folder / f"{version}{ARTIFACT_SUFFIX}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / f"{version}{REPORT_SUFFIX}", report.encode())
        if onnx is not None:
            _write_signed(path.with_suffix(ONNX_SUFFIX), onnx, key)
        _write_signed(path, artifact, key)
    except OSError as error:
        raise OutputError(f"cannot write {error.filename or folder}: {error.strerror}") from None
    return path


def _remove_old(folder: Path) -> None:
    """Remove candidates that came into use, and all but the newest few: a version's name begins with its time."""
    inbox = folder / CANDIDATES
    waiting = sorted(file.name.removesuffix(ARTIFACT_SUFFIX) for file in inbox.glob(f"*{ARTIFACT_SUFFIX}"))
    taken = [version for version in waiting if (folder / f"{version}{ARTIFACT_SUFFIX}").exists()]
    for version in {*taken, *waiting[:-_KEPT_CANDIDATES]}:
        for suffix in (PROPOSAL_SUFFIX, *reversed(VERSION_SUFFIXES)):
            (inbox / f"{version}{suffix}").unlink(missing_ok=True)
    # what a process that was killed had begun to write; a younger one may still be written
    for half in inbox.glob(".*.*.*"):
        with suppress(FileNotFoundError):
            if half.stat().st_mtime < time.time() - _HALF_WRITTEN_SECONDS:
                half.unlink()


def _generation_in(folder: Path) -> Generation | None:
    try:
        return parse_generation(read_regular(folder / GENERATION_FILE, MAX_SETTINGS_BYTES, follow_link=False))
    except (OSError, GenerationError):
        return None


def sign_files(path: Path, key: Ed25519PrivateKey) -> list[Path]:
    """Sign an artifact (a file, or the current one of a model folder) and its ONNX model; return the signatures' paths.

    Raises:
        ArtifactError: it is not there.
        OutputError: a signature cannot be written.

    """
    # beside the version itself: `current` is a name that moves on
    try:
        artifact = _file_in(path).resolve()
    except (OSError, RuntimeError) as error:  # RuntimeError: a circle of links, before Python 3.13
        raise ArtifactError(f"{path}: {error}") from None
    onnx = artifact.with_suffix(".onnx")
    signatures = []
    for file in (artifact, onnx) if onnx.exists() else (artifact,):
        _, data = read_artifact(file)
        signature = signature_path(file)
        try:
            write_whole(signature, key.sign(data))
        except OSError as error:
            raise OutputError(f"cannot write {signature}: {error.strerror}") from None
        signatures.append(signature)
    return signatures


def read_artifact(path: Path) -> tuple[str, bytes]:
    """Read an artifact, name and bytes: the file `path`, or the current one of the model folder `path`.

    Raises:
        ArtifactError: it is not there.

    """
    file = path
    try:
        file = _file_in(path)
        return str(file), read_regular(file)
    except OSError as error:
        raise ArtifactError(f"{file}: {error.strerror}; give an artifact file or a folder that `fit` wrote") from None


def _file_in(path: Path) -> Path:
    return path / CURRENT if path.is_dir() else path


def _write_signed(path: Path, data: bytes, key: Ed25519PrivateKey | None) -> None:
    if key is not None:
        write_whole(signature_path(path), key.sign(data))
    write_whole(path, data)
