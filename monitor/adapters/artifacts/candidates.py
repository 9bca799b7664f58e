"""Candidates: versions that wait in a model's folder, each with its proposal.

Another user may write there, so nothing in it is used where it lies: what is promoted is read once, held to what the
proposal says of it, and copied.
"""

import contextlib
import hashlib
import os
from pathlib import Path
from typing import NamedTuple

from monitor.adapters.artifacts.versions import versions_in
from monitor.core.artifact.model_folder_names import ARTIFACT_SUFFIX, CANDIDATES, PROPOSAL_SUFFIX, VERSION_SUFFIXES
from monitor.core.artifact.proposal import Proposal, ProposalError, parse_proposal
from monitor.settings.regular_file import read_regular
from monitor.settings.whole_file import write_whole

_MOST_PROPOSALS = 100  # the newest by name; the trainer leaves one
_MAX_PROPOSAL_BYTES = 2**20


class CandidateError(Exception):
    """A candidate cannot be taken; the message says why."""


class Candidate(NamedTuple):
    """A candidate: its version, and its proposal, or why that cannot be read."""

    version: str
    proposal: Proposal | None
    problem: str = ""


def candidates_in(folder: Path) -> list[Candidate]:
    """The candidates of a model's folder, the newest first. A version without a proposal is still being written."""
    inbox = folder / CANDIDATES
    if inbox.is_symlink():
        return []
    found = []
    for version in versions_in(inbox)[-_MOST_PROPOSALS:]:
        file = inbox / f"{version}{PROPOSAL_SUFFIX}"
        try:
            proposal = parse_proposal(read_regular(file, _MAX_PROPOSAL_BYTES, follow_link=False))
        except FileNotFoundError:
            continue
        except OSError as error:
            found.append(Candidate(version, None, f"its proposal cannot be read: {error.strerror}"))
        except ProposalError as error:
            found.append(Candidate(version, None, f"its proposal cannot be read: {error}"))
        else:
            same = proposal.version == version
            found.append(Candidate(version, proposal if same else None, "" if same else "its proposal is of another"))
    return sorted(found, key=_age, reverse=True)


def watched_files(folder: Path) -> list[Path]:
    """The files that tell of a change among the candidates."""
    inbox = folder / CANDIDATES
    return [
        inbox / f"{version}{suffix}"
        for version in versions_in(inbox)[-_MOST_PROPOSALS:]
        for suffix in (ARTIFACT_SUFFIX, PROPOSAL_SUFFIX)
    ]


def copy_in(folder: Path, proposal: Proposal, max_bytes: int) -> list[Path]:
    """Copy a candidate's files beside the version in use, the artifact last. Returns those that were not there before.

    max_bytes: most that a file may take.

    Raises:
        CandidateError: it is not what the proposal speaks of, or another version has its name.
        OSError: a file cannot be read or written; what was copied is taken away again.

    """
    inbox, name = folder / CANDIDATES, f"{proposal.version}{ARTIFACT_SUFFIX}"
    try:
        artifact = read_regular(inbox / name, max_bytes, follow_link=False)
    except FileNotFoundError:
        raise CandidateError(f"{inbox / name} is gone") from None
    if hashlib.sha256(artifact).hexdigest() != proposal.sha256:
        raise CandidateError(f"{inbox / name} is not the file that was checked")
    if os.path.lexists(folder / name):
        # an artifact comes last: what belongs to it is there, and is not to be replaced
        if _holds(folder / name, artifact, max_bytes):
            return []
        raise CandidateError(f"{folder / name} is there already, and another one")
    written: list[Path] = []
    try:
        for beside in VERSION_SUFFIXES[:-1]:
            file = folder / f"{proposal.version}{beside}"
            with contextlib.suppress(FileNotFoundError):
                write_whole(file, read_regular(inbox / file.name, max_bytes, follow_link=False))
                written.append(file)
        write_whole(folder / name, artifact)
    except BaseException:
        take_away(written)
        raise
    return [*written, folder / name]


def take_away(files: list[Path]) -> None:
    """Remove files, the last one first, as far as that can be done."""
    for file in reversed(files):
        with contextlib.suppress(OSError):
            file.unlink(missing_ok=True)


def remove_candidate(folder: Path, version: str) -> None:
    """Remove a candidate, its proposal first; where the folder is another user's, that user's trainer does it."""
    inbox = folder / CANDIDATES
    take_away([inbox / f"{version}{suffix}" for suffix in (*VERSION_SUFFIXES, PROPOSAL_SUFFIX)])


def _holds(file: Path, data: bytes, max_bytes: int) -> bool:
    try:
        return read_regular(file, max_bytes, follow_link=False) == data
    except OSError:
        return False


def _age(candidate: Candidate) -> tuple[float, str]:
    return (0.0 if candidate.proposal is None else candidate.proposal.at.timestamp(), candidate.version)
