"""Generations of a model: which version came into use when, why and by whom; and whether an older one may come back.

A roll-back is a new generation of an old version, so the number of generations grows with each change.
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, ValidationError

from monitor.core.artifact.manifest import Manifest
from monitor.core.artifact.part import ManifestPart
from monitor.core.artifact.rollback import created
from monitor.core.values.names import Name

_LARGEST = 2**53  # as far as any reader of JSON counts exactly

By = Literal["fit", "gate", "person"]
Why = Literal["first", "promoted", "rollback", "accepted"]


class GenerationError(ValueError):
    """The text is no generation; the message says why."""


class Generation(ManifestPart):
    """How the version in use came into use.

    generation: counts from 1. at: when. by: what moved `current`: the first fit, the gate (all checks of a proposal
    held), or a person. why: `accepted` is a promotion that moved the anchor, if only that of one stream. before: the
    version that was in use until then; None for the first.
    """

    generation: Annotated[int, Field(ge=1, le=_LARGEST)]
    version: Name
    at: AwareDatetime
    by: By
    why: Why
    before: Name | None = None


def parse_generation(data: bytes) -> Generation:
    """Parse the content of `generation.json`, or a line of `generations.jsonl`.

    Raises:
        GenerationError: it is no generation.

    """
    try:
        return Generation.model_validate_json(data)
    except ValidationError as error:
        raise GenerationError("; ".join(problem["msg"] for problem in error.errors())) from None


def following(
    last: Generation | None, champion: str | None, version: str, at: datetime, by: By, why: Why
) -> Generation:
    """Make the generation that comes after another.

    last: what is written down; None: nothing is, as in folders from before there were generations. champion: the
    version in use; None: there is none yet.
    """
    number = last.generation if last is not None else 0 if champion is None else 1
    return Generation(generation=number + 1, version=version, at=at, by=by, why=why, before=champion)


def brings_back(generation: Generation, candidate: Manifest, in_use: Manifest, in_use_number: int | None) -> bool:
    """Whether a generation puts an artifact into use that is older than the one in use.

    It must have been written after that one was made, and count higher than its generation, `in_use_number` (None: not
    known): an old generation that is put back into the folder with its old version brings back nothing.
    """
    used = created(in_use)
    return (
        generation.version == candidate.version
        and used is not None
        and generation.at >= used
        and (in_use_number is None or generation.generation > in_use_number)
    )
