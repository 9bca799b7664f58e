"""A model's folder on the disk: which file in it is the artifact, and which older one a person wants back."""

import errno
from pathlib import Path

from monitor.adapters.engines.signature import Trust
from monitor.core.artifact.rollback import ROLLBACK_FILE, Rollback, RollbackError, parse_rollback
from monitor.errors import ArtifactError
from monitor.settings.regular_file import resolved_inside

CURRENT = "current"


def resolve_artifact(path: Path) -> Path:
    """The artifact file itself: `path`, or what `current` points at where `path` is a model's folder.

    Raises:
        ArtifactError: there is none, or a link leads out of the folder.

    """
    file = path
    try:
        if path.is_dir():
            file = path / CURRENT
        return resolved_inside(file.parent, file)
    except FileNotFoundError:
        raise ArtifactError(
            f"{file}: no artifact here; fit one with `residuald-trainer fit --data FILE --out {path}`"
        ) from None
    except OSError as error:
        remedy = "; put the artifact itself into the folder" if error.errno == errno.ELOOP else ""
        raise ArtifactError(f"{file}: {error.strerror}{remedy}") from None


def read_rollback(artifact: Path, trust: Trust) -> Rollback | None:
    """The rollback beside an artifact; None where there is none.

    Raises:
        ArtifactError: it cannot be used, or is not signed as it must be.

    """
    file = artifact.with_name(ROLLBACK_FILE)
    try:
        return parse_rollback(trust.read(file))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ArtifactError(f"{file}: {error.strerror}") from None
    except RollbackError as error:
        raise ArtifactError(f"{file}: {error}; write a generation with `residuald models rollback`") from None
