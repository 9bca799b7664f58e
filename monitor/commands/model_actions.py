"""`residuald models promote`, `rollback`, `freeze`, `unfreeze` and `prune`: what a person may change."""

import argparse
import getpass
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from monitor.adapters.artifacts.anchor_file import make_anchor
from monitor.adapters.artifacts.archive_manifest import read_manifest
from monitor.adapters.artifacts.candidates import CandidateError, candidates_in
from monitor.adapters.artifacts.champion import promote, put_into_use
from monitor.adapters.artifacts.frozen_file import freeze, unfreeze
from monitor.adapters.artifacts.generation_file import Sign, known_generation, read_generations
from monitor.adapters.artifacts.lock import LockedError, locked
from monitor.adapters.artifacts.prune import KEPT_GENERATIONS, prunable, prune
from monitor.adapters.artifacts.standing import Standing, standing_of
from monitor.adapters.artifacts.versions import has_version, version_in_use, versions_in
from monitor.core.artifact.generation import By, Generation, Why
from monitor.core.artifact.manifest import SIGNATURE_SUFFIX
from monitor.core.artifact.model_folder_names import ARTIFACT_SUFFIX, CURRENT
from monitor.core.artifact.proposal import Proposal
from monitor.core.artifact.rollback import is_older
from monitor.errors import ArtifactError, KeyFileError, OutputError, WaitingError
from monitor.settings.signing_key import SigningKeyError, read_signing_key
from monitor.setup.model_place import ModelPlace, find_places


def run_promote(args: argparse.Namespace) -> int:
    """Put a candidate, or another version of the folder, into use."""
    (place,) = find_places([args.model], args.config)
    sign, folder = _signer(args.key), place.folder
    with _changing(folder):
        standing, at = standing_of(folder), datetime.now(UTC)
        version = args.version or _waiting(folder, standing)
        proposal = _proposal_of(folder, version)
        if args.unless_waiting:
            _require_nothing_against(standing, version)
        anchored_by = getpass.getuser() if args.as_anchor else None
        if proposal is None:
            _require_usable(place, version, sign)
            if anchored_by is not None:
                make_anchor(folder, version, at, anchored_by)
            generation = put_into_use(folder, version, at, "person", _why(folder, version, anchored_by), sign)
        else:
            by: By = "gate" if args.unless_waiting else "person"
            generation = promote(folder, proposal, place.prove, at, by, place.artifacts.max_bytes, anchored_by)
        prune(folder)
    _tell(place, generation, sign)
    return 0


def run_rollback(args: argparse.Namespace) -> int:
    """Put an older version back into use."""
    (place,) = find_places([args.model], args.config)
    sign, folder = _signer(args.key), place.folder
    with _changing(folder):
        version = args.version or _before(folder)
        _require_usable(place, version, sign)
        generation = put_into_use(folder, version, datetime.now(UTC), "person", "rollback", sign)
    _tell(place, generation, sign)
    return 0


def run_freeze(args: argparse.Namespace) -> int:
    """Let nothing be promoted but by a person."""
    (place,) = find_places([args.model], args.config)
    with _changing(place.folder):
        freeze(place.folder, getpass.getuser(), datetime.now(UTC), args.note)
    print(f"{place.folder} is frozen: nothing is promoted but by `residuald models promote`")
    return 0


def run_unfreeze(args: argparse.Namespace) -> int:
    """Let versions be promoted again."""
    (place,) = find_places([args.model], args.config)
    with _changing(place.folder):
        unfreeze(place.folder)
    print(f"{place.folder} is not frozen: the daemon promotes what all checks hold for")
    return 0


def run_prune(args: argparse.Namespace) -> int:
    """Remove versions that nobody needs."""
    kept = args.keep or KEPT_GENERATIONS
    for place in find_places(args.models, args.config):
        if args.dry_run:
            gone = prunable(place.folder, kept)
        else:
            with _changing(place.folder):
                gone = prune(place.folder, kept)
        print(f"{place.folder}: {'would remove' if args.dry_run else 'removed'} {', '.join(gone) or 'nothing'}")
    return 0


@contextmanager
def _changing(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, and put what goes wrong into the errors of commands."""
    try:
        with locked(folder):
            yield
    except LockedError as error:
        raise WaitingError(str(error)) from None
    except CandidateError as error:
        raise ArtifactError(str(error)) from None
    except OSError as error:
        raise OutputError(f"cannot change {error.filename or folder}: {error.strerror}; nothing was changed") from None


def _waiting(folder: Path, standing: Standing) -> str:
    if standing.candidate is None:
        raise ArtifactError(f"{folder}: nothing waits here; name a version, one of {_all(folder)}")
    return standing.candidate.version


def _proposal_of(folder: Path, version: str) -> Proposal | None:
    """The proposal of a candidate; None where the version is not among the candidates, but in the folder."""
    if has_version(folder, version):
        return None
    for candidate in candidates_in(folder):
        if candidate.version == version:
            if candidate.proposal is None:
                raise ArtifactError(f"{folder}: version {version}: {candidate.problem}")
            return candidate.proposal
    raise _no_version(folder, version)


def _require_usable(place: ModelPlace, version: str, sign: Sign | None) -> None:
    """Hold a version of the folder to what the daemon asks of it."""
    if not has_version(place.folder, version):
        raise _no_version(place.folder, version)
    file = place.folder / f"{version}{ARTIFACT_SUFFIX}"
    place.prove(file)
    in_use, wanted = place.manifest_in_use(), read_manifest(file)
    if not place.artifacts.require_signature or sign is not None or in_use is None or wanted is None:
        return
    if is_older(wanted, in_use):
        raise ArtifactError(
            f"{version} is older than the version in use, and artifacts.require_signature is on: the daemon takes it "
            "back only by a generation that is signed; give --key FILE with the private half of a trusted key"
        )


def _no_version(folder: Path, version: str) -> ArtifactError:
    return ArtifactError(f"{folder}: there is no version {version!r} here; there is {_all(folder)}")


def _all(folder: Path) -> str:
    waiting = [f"{each.version} (waits)" for each in candidates_in(folder)]
    return ", ".join([*versions_in(folder), *waiting]) or "none"


def _why(folder: Path, version: str, anchored_by: str | None) -> Why:
    if anchored_by is not None:
        return "accepted"
    return "rollback" if any(each.version == version for each in read_generations(folder)) else "promoted"


def _require_nothing_against(standing: Standing, version: str) -> None:
    if standing.candidate is None or standing.candidate.version != version:
        raise WaitingError(f"{version} is not the newest candidate; only that one is promoted without a person")
    if standing.reasons:
        raise WaitingError("\n".join([f"{version} waits:", *(f"  {reason}" for reason in standing.reasons)]))


def _before(folder: Path) -> str:
    generation = known_generation(folder)
    if generation is not None and generation.version == version_in_use(folder) and generation.before is not None:
        return generation.before
    raise ArtifactError(
        f"{folder}: it is not written down what was in use before; name a version, one of {_all(folder)}"
    )


def _signer(key: Path | None) -> Sign | None:
    try:
        return None if key is None else read_signing_key(key).sign
    except SigningKeyError as error:
        raise KeyFileError(str(error)) from None


def _tell(place: ModelPlace, generation: Generation, sign: Sign | None) -> None:
    folder, artifact = place.folder, f"{generation.version}{ARTIFACT_SUFFIX}"
    print(f"in use    {folder / CURRENT} -> {artifact}, generation {generation.generation}")
    signed = (folder / f"{artifact}{SIGNATURE_SUFFIX}").exists()
    if generation.why == "rollback" and signed and sign is None:
        note = "the artifact is signed and the roll-back is not: daemons that require signatures need --key"
        print(f"note: {note}", file=sys.stderr)
