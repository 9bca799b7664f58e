"""Pruning: versions that nobody needs go, so that weekly refits do not fill the disk."""

from pathlib import Path

from monitor.adapters.artifacts.anchor_file import read_anchor
from monitor.adapters.artifacts.archive_manifest import read_manifest
from monitor.adapters.artifacts.candidates import candidates_in, take_away
from monitor.adapters.artifacts.generation_file import read_generations
from monitor.adapters.artifacts.versions import files_of, version_in_use, versions_in
from monitor.core.artifact.model_folder_names import ARTIFACT_SUFFIX, CANDIDATES

KEPT_GENERATIONS = 5


def prunable(folder: Path, generations: int = KEPT_GENERATIONS) -> list[str]:
    """The versions of a folder that may go, oldest first.

    Kept are the version in use, those of the last generations (each with the one before it), the anchor and those of
    single streams, what proposals name, the parents that vouch for any of these, and whatever is newer than the version
    in use: somebody may just have put it there. Nothing may go where it is not known what is in use or what the anchor
    is.
    """
    champion = version_in_use(folder)
    try:
        anchor = read_anchor(folder)
    except OSError:
        return []
    if champion is None:
        return []
    kept = {champion} | (anchor.versions if anchor is not None else frozenset())
    written_down = read_generations(folder)
    for generation in written_down[-generations:]:
        kept |= {generation.version, generation.before or generation.version}
    for candidate in candidates_in(folder):
        kept |= {candidate.version} | ({candidate.proposal.parent} if candidate.proposal is not None else set())
    if anchor is None:
        # nobody wrote down which one the model began with: the oldest
        kept |= set(versions_in(folder)[:1])
    kept |= _parents_of(folder, kept)
    return [version for version in versions_in(folder) if version not in kept and version < champion]


def _parents_of(folder: Path, versions: set[str]) -> set[str]:
    """The versions without which none of these is loaded where refits are signed by a key of their own."""
    names = [f"{version}{ARTIFACT_SUFFIX}" for version in sorted(versions)]
    manifests = [read_manifest(place / name) for place in (folder, folder / CANDIDATES) for name in names]
    parents = [manifest.provenance.parent for manifest in manifests if manifest is not None]
    return {parent.version for parent in parents if parent is not None}


def prune(folder: Path, generations: int = KEPT_GENERATIONS) -> list[str]:
    """Remove the files of versions that may go; returns those versions. Precondition: the folder's lock is held."""
    gone = prunable(folder, generations)
    for version in gone:
        take_away(files_of(folder, version))
    return gone
