"""`residuald models list`, `show` and `compare`: what there is to see of a model's versions."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from monitor.adapters.artifacts.anchor_file import read_anchor
from monitor.adapters.artifacts.archive_manifest import read_manifest
from monitor.adapters.artifacts.candidates import Candidate, candidates_in
from monitor.adapters.artifacts.generation_file import read_generations
from monitor.adapters.artifacts.standing import standing_of
from monitor.adapters.artifacts.versions import files_of, has_version, version_in_use, versions_in
from monitor.core.artifact.calibration import DAY_SECONDS
from monitor.core.artifact.generation import Generation
from monitor.core.artifact.model_folder_names import ARTIFACT_SUFFIX, CANDIDATES
from monitor.core.values.duration import in_words
from monitor.errors import ArtifactError
from monitor.setup.manifest_lines import manifest_lines
from monitor.setup.model_place import ModelPlace, find_places

_NOT_KNOWN = "-"


def run_list(args: argparse.Namespace) -> int:
    """Print the versions of models."""
    found = [_listing(place) for place in find_places(args.models, args.config)]
    if args.json:
        _print_json(found)
        return 0
    out = _console()
    for listing in found:
        out.print(_headline(listing), soft_wrap=True)
        table = Table("", "version", "generation", "since", "by", "threshold", "false alarms", "size", box=None)
        for row in listing["versions"]:
            table.add_row(*_cells(row))
        out.print(table)
        for reason in listing["candidate"]["reasons"] if listing["candidate"] else ():
            out.print(f"  {listing['candidate']['version']} waits: {reason}", soft_wrap=True)
        out.print()
    return 0


def run_show(args: argparse.Namespace) -> int:
    """Print all that is to be said of one version."""
    (place,) = find_places([args.model], args.config)
    version = args.version or _in_use(place.folder)
    found = _one(place.folder, version)
    if args.json:
        _print_json(found)
        return 0
    table = Table.grid(padding=(0, 2))
    for label, text in found["lines"].items():
        table.add_row(label, text)
    out = _console()
    out.print(table)
    _print_checks(out, version, found["checks"])
    return 0


def run_compare(args: argparse.Namespace) -> int:
    """Print two versions side by side."""
    (place,) = find_places([args.model], args.config)
    one, other = _two(place.folder, args.versions)
    found = [_one(place.folder, version) for version in (one, other)]
    if args.json:
        _print_json(found)
        return 0
    table = Table("", one, other, box=None)
    for label in dict.fromkeys([*found[0]["lines"], *found[1]["lines"]]):
        first, second = (each["lines"].get(label, _NOT_KNOWN) for each in found)
        table.add_row(label, first, second, style=None if first == second else "bold")
    out = _console()
    out.print(table)
    for version, each in zip((one, other), found, strict=True):
        _print_checks(out, version, each["checks"])
    return 0


def _listing(place: ModelPlace) -> dict[str, Any]:
    folder = place.folder
    standing, anchor = standing_of(folder), _anchor(folder)
    generations = read_generations(folder)
    candidate = standing.candidate
    versions = [_row(folder, version, standing.version, anchor, generations) for version in versions_in(folder)]
    waiting = [_candidate_row(folder, each) for each in candidates_in(folder) if not has_version(folder, each.version)]
    return {
        "model": place.name,
        "folder": str(folder),
        "version": standing.version,
        "generation": standing.number,
        "frozen": None if standing.frozen is None else standing.frozen.model_dump(mode="json"),
        "anchor": sorted(anchor),
        "candidate": None
        if candidate is None
        else {"version": candidate.version, "reasons": list(standing.reasons), "promotable": standing.promotable},
        "versions": [*versions, *waiting],
    }


def _row(
    folder: Path, version: str, in_use: str | None, anchor: frozenset[str], generations: list[Generation]
) -> dict[str, Any]:
    uses = [generation for generation in generations if generation.version == version]
    last = uses[-1] if uses else None
    roles = ["in use"] * (version == in_use) + ["anchor"] * (version in anchor)
    return {
        "version": version,
        "role": ", ".join(roles),
        "generations": [generation.generation for generation in uses],
        "since": None if last is None else last.at.isoformat(timespec="seconds"),
        "by": None if last is None else f"{last.by} ({last.why})",
    } | _figures(folder, version)


def _candidate_row(folder: Path, candidate: Candidate) -> dict[str, Any]:
    proposal = candidate.proposal
    return {
        "version": candidate.version,
        "role": "candidate",
        "generations": [],
        "since": None if proposal is None else proposal.at.isoformat(timespec="seconds"),
        "by": None if proposal is None else proposal.by,
    } | _figures(folder / CANDIDATES, candidate.version)


def _figures(folder: Path, version: str) -> dict[str, Any]:
    manifest = read_manifest(folder / f"{version}{ARTIFACT_SUFFIX}")
    promised = None if manifest is None else manifest.calibration.false_alarms
    return {
        "threshold": None if manifest is None else manifest.threshold,
        "false_alarms_per_day": None if promised is None else promised.expected_per_day,
        "bytes": sum(file.stat().st_size for file in files_of(folder, version)),
    }


def _cells(row: dict[str, Any]) -> list[str]:
    threshold, false_alarms = row["threshold"], row["false_alarms_per_day"]
    return [
        row["role"],
        row["version"],
        ", ".join(map(str, row["generations"])) or _NOT_KNOWN,
        row["since"] or _NOT_KNOWN,
        row["by"] or _NOT_KNOWN,
        "cannot be read" if threshold is None else f"{threshold:.4g}",
        _NOT_KNOWN if false_alarms is None else f"one in {in_words(DAY_SECONDS / false_alarms)}",
        f"{row['bytes'] / 1e6:.2f} MB",
    ]


def _headline(listing: dict[str, Any]) -> str:
    frozen = listing["frozen"]
    why = f" ({frozen['note']})" if frozen is not None and frozen["note"] else ""
    note = "" if frozen is None else f", frozen{why}"
    return f"{listing['model']}  {listing['folder']}, generation {listing['generation']}{note}"


def _one(folder: Path, version: str) -> dict[str, Any]:
    """All that is to be said of a version, wherever it lies: lines for people, and what its proposal was checked for.

    Raises:
        ArtifactError: there is no such version, or it cannot be read.

    """
    own = has_version(folder, version)
    candidate = next((each for each in candidates_in(folder) if each.version == version), None)
    if not own and candidate is None:
        there = ", ".join([*versions_in(folder), *(each.version for each in candidates_in(folder))]) or "none"
        raise ArtifactError(f"{folder}: there is no version {version!r} here; there is {there}")
    file = (folder if own else folder / CANDIDATES) / f"{version}{ARTIFACT_SUFFIX}"
    manifest = read_manifest(file)
    if manifest is None:
        raise ArtifactError(f"{file}: no manifest that can be read here; fit it again, or remove it")
    proposal = None if candidate is None else candidate.proposal
    return {
        "version": version,
        "file": str(file),
        "lines": dict(manifest_lines(manifest)) | _uses(folder, version),
        "checks": [] if proposal is None else [check.model_dump() for check in proposal.checks],
        "manifest": manifest.model_dump(mode="json", exclude={"golden"}),
    }


def _uses(folder: Path, version: str) -> dict[str, str]:
    uses = [each for each in read_generations(folder) if each.version == version]
    told = [f"{each.generation} since {each.at:%Y-%m-%d %H:%M} by {each.by} ({each.why})" for each in uses]
    return {"generations": "; ".join(told)} if told else {}


def _print_checks(out: Console, version: str, checks: list[dict[str, Any]]) -> None:
    if not checks:
        return
    out.print(f"\nchecks of {version}", soft_wrap=True)
    table = Table("", "check", "found", "bound", "", box=None)
    for check in checks:
        numbers = (_NOT_KNOWN if check[key] is None else f"{check[key]:.4g}" for key in ("found", "bound"))
        holds = check["holds"]
        table.add_row(
            "holds" if holds else "fails", check["name"], *numbers, check["text"], style=None if holds else "red"
        )
    out.print(table)


def _two(folder: Path, versions: list[str]) -> tuple[str, str]:
    if len(versions) > 2:
        raise ArtifactError("compare takes two versions at most")
    if len(versions) == 2:
        return versions[0], versions[1]
    in_use = _in_use(folder)
    if versions:
        return in_use, versions[0]
    standing = standing_of(folder)
    if standing.candidate is not None:
        return in_use, standing.candidate.version
    if standing.generation is not None and standing.generation.before is not None:
        return standing.generation.before, in_use
    raise ArtifactError(f"{folder}: nothing waits here; name the version to compare {in_use} with")


def _in_use(folder: Path) -> str:
    version = version_in_use(folder)
    if version is None:
        raise ArtifactError(f"{folder}: `current` is no link to a version of this folder; name a version")
    return version


def _anchor(folder: Path) -> frozenset[str]:
    try:
        anchor = read_anchor(folder)
    except OSError:
        return frozenset()
    return frozenset() if anchor is None else anchor.versions


def _console() -> Console:
    # a table that is cut off at 80 columns would hide what a pipe is read for
    return Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 200)


def _print_json(found: object) -> None:
    print(json.dumps(found, indent=2))
