"""Pruning takes what nobody needs, and never the version in use, the anchor, or what is referred to."""

import json
import os
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.adapters.artifacts.champion import put_into_use
from monitor.adapters.artifacts.prune import prunable, prune
from monitor.adapters.artifacts.versions import version_in_use
from monitor.core.artifact.anchor import AnchorRecord, StreamAnchor
from tests.manifests import manifest_fields
from tests.model_folders import HOLDS, THEN, candidate, model_folder, names


def anchored(folder: Path, version: str, **streams: str) -> None:
    anchors = {stream: StreamAnchor(version=each, since_seconds=0.0) for stream, each in streams.items()}
    record = AnchorRecord(version=version, at=THEN, by="fit", streams=anchors)
    (folder / "anchor.json").write_text(record.model_dump_json())


def weekly(folder: Path, count: int) -> Path:
    """Versions `v00` on, each put into use after the one before."""
    folder.mkdir(exist_ok=True)
    for week in range(count):
        (folder / f"v{week:02}.pt").write_bytes(b"x")
        put_into_use(folder, f"v{week:02}", THEN + timedelta(weeks=week), "gate", "promoted" if week else "first")
    return folder


def test_the_last_generations_and_the_anchors_stay(tmp_path: Path) -> None:
    folder = weekly(tmp_path, 12)
    anchored(folder, "v00", pump="v03")
    assert prune(folder, 3) == ["v01", "v02", "v04", "v05", "v06", "v07"]
    assert {f"v{week:02}.pt" for week in (0, 3, 8, 9, 10, 11)} < names(folder)
    assert prune(folder, 3) == []


def test_where_no_anchor_is_written_down_the_first_version_stays(tmp_path: Path) -> None:
    assert prune(weekly(tmp_path, 9), 2) == ["v01", "v02", "v03", "v04", "v05"]


def test_what_a_candidate_was_compared_with_stays(tmp_path: Path) -> None:
    folder = weekly(tmp_path, 9)
    candidate(folder, "v20", "v02", HOLDS)
    assert "v02" not in prune(folder, 1)


def test_the_parent_that_vouches_for_a_version_that_stays_stays(tmp_path: Path) -> None:
    folder = weekly(tmp_path, 9)
    fields = manifest_fields(version="v08")
    fields["provenance"] |= {"parent": {"version": "v03", "sha256": "ab" * 32}}
    with zipfile.ZipFile(folder / "v08.pt", "w") as archive:
        archive.writestr("archive/extra/manifest.json", json.dumps(fields))
    anchored(folder, "v00")
    assert prune(folder, 1) == ["v01", "v02", "v04", "v05", "v06"]


def test_after_a_rollback_what_is_newer_stays(tmp_path: Path) -> None:
    folder = weekly(tmp_path, 9)
    put_into_use(folder, "v05", THEN + timedelta(weeks=20), "person", "rollback")
    assert prune(folder, 1) == ["v01", "v02", "v03", "v04"]


@pytest.mark.parametrize("spoilt", ["anchor.json", "current"])
def test_nothing_goes_where_it_is_not_known_what_is_needed(tmp_path: Path, spoilt: str) -> None:
    folder = weekly(tmp_path, 9)
    (folder / spoilt).unlink(missing_ok=True)
    (folder / spoilt).write_text("{")
    assert prune(folder, 1) == []


def test_foreign_files_links_and_folders_are_left_alone(tmp_path: Path) -> None:
    folder = weekly(tmp_path / "m", 9)
    theirs = tmp_path / "theirs.pt"
    theirs.write_text("theirs")
    (folder / "v000.pt").symlink_to(theirs)
    (folder / "v001.pt").mkdir()
    (folder / " odd name.pt").write_text("")
    (folder / "notes.txt").write_text("")
    os.mkfifo(folder / "v002.pt")
    before = names(folder)
    gone = prune(folder, 1)
    assert before - names(folder) == {f"{version}.pt" for version in gone}
    assert theirs.read_text() == "theirs"


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=8), st.integers(1, 4), st.integers(0, 6), st.integers(0, 6))
def test_the_version_in_use_the_anchors_and_the_last_generations_are_never_pruned(
    tmp_path_factory: pytest.TempPathFactory, uses: list[int], generations: int, anchor: int, of_stream: int
) -> None:
    folder = model_folder(tmp_path_factory.mktemp("m"), *(f"v{number}" for number in range(7)))
    for at, number in enumerate(uses):
        put_into_use(folder, f"v{number}", THEN + timedelta(days=at), "person", "rollback")
    anchored(folder, f"v{anchor}", a=f"v{of_stream}")
    gone = set(prunable(folder, generations))
    needed = {f"v{number}" for number in (anchor, of_stream, uses[-1], *uses[-generations:])}
    assert version_in_use(folder) == f"v{uses[-1]}"
    assert not gone & needed
    assert json.loads((folder / "generation.json").read_text())["version"] not in gone
