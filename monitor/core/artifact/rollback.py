"""Whether an artifact may take the place of the one in use: a newer one by itself, an older one by a person's word."""

from datetime import UTC, datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from monitor.core.artifact.manifest import Manifest
from monitor.core.values.names import Name

ROLLBACK_FILE = "rollback.json"  # in a model's folder


class RollbackError(ValueError):
    """The text is no rollback; the message says why."""


class Rollback(BaseModel):
    """What `residuald-trainer rollback` leaves in a model's folder: which version a person wants back, and since when.

    It outweighs no artifact that was made after it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Name
    at: AwareDatetime


def parse_rollback(data: bytes) -> Rollback:
    """Parse the content of the file.

    Raises:
        RollbackError: it is no rollback.

    """
    try:
        return Rollback.model_validate_json(data)
    except ValidationError as error:
        raise RollbackError("; ".join(problem["msg"] for problem in error.errors())) from None


def is_older(candidate: Manifest, in_use: Manifest) -> bool:
    """Whether an artifact was made before the one in use; False where one of them does not tell when it was made."""
    made, used = created(candidate), created(in_use)
    return made is not None and used is not None and made < used


def allows(rollback: Rollback, candidate: Manifest, in_use: Manifest) -> bool:
    """Whether a person asked for this older artifact, knowing of the one in use."""
    used = created(in_use)
    return rollback.version == candidate.version and used is not None and rollback.at >= used


def created(manifest: Manifest) -> datetime | None:
    """When an artifact was made; None where it does not tell."""
    try:
        made = datetime.fromisoformat(manifest.provenance.created)
    except ValueError:
        return None
    return made if made.tzinfo is not None else made.replace(tzinfo=UTC)
