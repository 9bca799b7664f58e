"""What is in use: the one place that moves `current`, under the folder's lock.

Everything is written before `current` moves, and the move is one step: whatever dies in between leaves the version that
was in use, whole, and the same call does the rest.
"""

from datetime import datetime
from pathlib import Path

from monitor.adapters.artifacts.anchor_file import accept_streams
from monitor.adapters.artifacts.candidates import remove_candidate
from monitor.adapters.artifacts.generation_file import Sign, known_generation, write_generation
from monitor.adapters.artifacts.versions import has_version, version_in_use
from monitor.core.artifact.generation import By, Generation, Why, following
from monitor.core.artifact.model_folder_names import ARTIFACT_SUFFIX, CURRENT
from monitor.core.artifact.proposal import Proposal
from monitor.settings.whole_file import point_link


def promote(folder: Path, proposal: Proposal, at: datetime, by: By) -> Generation:
    """Put a candidate into use that was copied beside the version in use. Its streams get the anchor that is theirs.

    Precondition: the folder's lock is held, and the copy was looked at.

    Raises:
        OSError: the folder cannot be written; what was in use is in use.

    """
    if proposal.accepted:
        accept_streams(folder, proposal)
    generation = put_into_use(folder, proposal.version, at, by, "accepted" if proposal.accepted else "promoted")
    remove_candidate(folder, proposal.version)
    return generation


def put_into_use(folder: Path, version: str, at: datetime, by: By, why: Why, sign: Sign | None = None) -> Generation:
    """Write a new generation down and point `current` at a version of the folder.

    sign: makes the signature of the generation, which an older version needs where signatures are required.
    Precondition: the folder's lock is held.

    Raises:
        OSError: the version is not there, or the folder cannot be written; what was in use is in use.

    """
    if not has_version(folder, version):
        raise FileNotFoundError(2, "no such version", str(folder / f"{version}{ARTIFACT_SUFFIX}"))
    generation = following(known_generation(folder), version_in_use(folder), version, at, by, why)
    # first: once `current` leads to an older version, a daemon asks for it
    write_generation(folder, generation, sign)
    point_link(folder / CURRENT, f"{version}{ARTIFACT_SUFFIX}")
    return generation
