"""A file is there as it was or as it is to be, and a failure leaves nothing beside it."""

import os
from pathlib import Path

import pytest

from monitor.settings.whole_file import point_link, write_whole


def test_a_file_is_replaced_and_can_be_read_by_others_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"old")
    before = os.umask(0o077)
    try:
        write_whole(path, b"new")
    finally:
        os.umask(before)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"new", 0o644)
    assert os.listdir(tmp_path) == ["f"]  # noqa: PTH208 - names alone


@pytest.mark.parametrize("call", ["fsync", "fchmod"])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "f"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["f"]


def test_a_link_is_moved_and_not_what_it_leads_to(tmp_path: Path) -> None:
    link = tmp_path / "current"
    point_link(link, "a")
    point_link(link, "b")
    assert link.readlink() == Path("b")
    assert [entry.name for entry in tmp_path.iterdir()] == ["current"]


def test_a_link_that_cannot_be_moved_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    link = tmp_path / "current"
    point_link(link, "a")
    monkeypatch.setattr(Path, "replace", refuses)
    with pytest.raises(OSError, match="Read-only"):
        point_link(link, "b")
    assert link.readlink() == Path("a")
    assert [entry.name for entry in tmp_path.iterdir()] == ["current"]
