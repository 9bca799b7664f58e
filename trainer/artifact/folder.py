"""The artifact folder: `models/NAME/VERSION.pt`, its report, and `current`, a link to the version in use.

`VERSION.onnx`, where it was asked for, is the same model for ONNX Runtime. `VERSION.pt.sig` and `VERSION.onnx.sig` are
their signatures. `rollback.json` is there once a person has put an older version in use again.
"""

from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from monitor.core.artifact.rollback import ROLLBACK_FILE, Rollback
from monitor.core.values.names import is_name
from monitor.settings.regular_file import check_regular, read_regular
from monitor.settings.whole_file import point_link, write_whole
from trainer.artifact.signing import signature_path
from trainer.errors import ArtifactError, OutputError

CURRENT = "current"


def model_name(folder: Path) -> str:
    """Take the model's name from its folder.

    Raises:
        OutputError: the folder's name is not safe as a model name.

    """
    name = folder.absolute().name
    if not is_name(name):
        raise OutputError(f"--out {folder}: the folder names the model; use letters, digits and _ . : - only")
    return name


def publish(
    folder: Path,
    version: str,
    artifact: bytes,
    report: str,
    onnx: bytes | None = None,
    key: Ed25519PrivateKey | None = None,
) -> Path:
    """Write report, ONNX model and artifact, signed if there is a key; then point `current` at the artifact.

    Returns the artifact's path.

    Every step is atomic: a reader of `current` sees the old artifact or the new one, whole, also after a power cut.

    Raises:
        OutputError: the folder cannot be written.

    """
    path = folder / f"{version}.pt"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / f"{version}.report.html", report.encode())
        if onnx is not None:
            _write_signed(path.with_suffix(".onnx"), onnx, key)
        _write_signed(path, artifact, key)
        point_link(folder / CURRENT, path.name)
    except OSError as error:
        raise OutputError(f"cannot write {error.filename or folder}: {error.strerror}") from None
    return path


def roll_back(folder: Path, version: str, at: datetime, key: Ed25519PrivateKey | None = None) -> Path:
    """Write down that a person wants a version back since `at` (UTC), signed if there is a key, and put it in use.

    Returns the path of its artifact.

    Raises:
        ArtifactError: there is no such version in the folder.
        OutputError: the folder cannot be written.

    """
    artifact = folder / f"{version}.pt"
    try:
        if not is_name(version):
            raise FileNotFoundError
        check_regular(artifact, None)
    except OSError:
        there = ", ".join(sorted(file.stem for file in folder.glob("*.pt"))) or "none"
        raise ArtifactError(f"{folder}: there is no version {version!r} here; there is {there}") from None
    rollback = Rollback(version=version, at=at)
    try:
        # first: once `current` points at the older version, a daemon asks for it
        _write_signed(folder / ROLLBACK_FILE, rollback.model_dump_json().encode(), key)
        point_link(folder / CURRENT, artifact.name)
    except OSError as error:
        raise OutputError(f"cannot write {error.filename or folder}: {error.strerror}") from None
    return artifact


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
