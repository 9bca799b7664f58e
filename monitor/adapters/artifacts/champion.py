"""What is in use: the one place that moves `current`, under the folder's lock.

Everything is written before `current` moves, and the move is one step: whatever dies in between leaves the version that
was in use, whole, and the same call does the rest.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from monitor.adapters.artifacts.anchor_file import keep_anchor, make_anchor
from monitor.adapters.artifacts.candidates import copy_in, remove_candidate, take_away
from monitor.adapters.artifacts.generation_file import Sign, known_generation, write_generation
from monitor.adapters.artifacts.versions import has_version, version_in_use
from monitor.core.artifact.generation import By, Generation, Why, following
from monitor.core.artifact.model_folder_names import ARTIFACT_SUFFIX, CURRENT
from monitor.core.artifact.proposal import Proposal
from monitor.settings.whole_file import point_link


def promote(
    folder: Path,
    proposal: Proposal,
    prove: Callable[[Path], None],
    at: datetime,
    by: By,
    max_bytes: int,
    anchored_by: str | None = None,
) -> Generation:
    """Put a candidate into use. Its streams with accepted data get it as their anchor.

    prove: looks at the copy of its artifact, and raises if the daemon could not use it. max_bytes: most that one of its
    files may take. Precondition: the folder's lock is held.

    Raises:
        CandidateError: it is not what the proposal speaks of.
        OSError: the folder cannot be written; what was in use is in use.

    """
    copied = copy_in(folder, proposal, max_bytes)
    try:
        prove(folder / f"{proposal.version}{ARTIFACT_SUFFIX}")
    except BaseException:
        take_away(copied)
        raise
    champion = version_in_use(folder)
    if anchored_by is not None:
        make_anchor(folder, proposal.version, at, anchored_by)
    elif champion is not None:
        keep_anchor(folder, champion, proposal)
    anchored = anchored_by is not None or proposal.accepted
    generation = put_into_use(folder, proposal.version, at, by, "accepted" if anchored else "promoted")
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
