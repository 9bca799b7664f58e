"""Regular files: what else has their name is refused in words, before anything of it is read."""

import errno
import os
import re
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from monitor.settings.regular_file import open_regular, read_regular, resolved_inside
from tests.traps import endless, fifo, sparse, within


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (fifo, "is a FIFO, not a regular file"),
        (listening, "is a socket, not a regular file"),
        (endless, "is a device, not a regular file"),
        (Path.mkdir, "Is a directory"),
        (sparse, "is too large: 3,221,225,472 bytes, at most 1,000 are read"),
        (lambda path: None, "No such file or directory"),
    ],
)
def test_what_is_no_file_to_read_is_told_in_words(tmp_path: Path, make: Callable[[Path], None], why: str) -> None:
    path = tmp_path / "file"
    make(path)
    with within(10), pytest.raises(OSError, match=re.escape(why)) as caught:
        read_regular(path, 1000)
    assert caught.value.strerror == why


def test_a_file_of_the_largest_size_is_read_whole_and_an_empty_one_too(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content in (b"x" * 1000, b""):
        path.write_bytes(content)
        assert read_regular(path, 1000) == content
        assert read_regular(path) == content


def test_a_writer_that_waits_at_a_fifo_goes_on_waiting(tmp_path: Path) -> None:
    path = tmp_path / "file"
    fifo(path)
    with pytest.raises(OSError, match="FIFO"):
        open_regular(path)
    with pytest.raises(OSError, match="No such device"):  # there was no reader, not for a moment
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))


def test_a_link_is_followed_only_where_that_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    link = tmp_path / "link"
    link.symlink_to("file")
    assert read_regular(link) == b"x"
    with pytest.raises(OSError, match="is a link; put the file itself there"):
        read_regular(link, follow_link=False)


def test_a_path_is_followed_as_long_as_it_stays_in_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "below").mkdir(parents=True)
    (folder / "below" / "file").write_bytes(b"x")
    (folder / "data").symlink_to("below")
    (folder / "current").symlink_to("data/file")
    (tmp_path / "name").symlink_to("folder")  # the folder itself may be reached by a link: somebody else chose it
    expected = (folder / "below" / "file").resolve()
    assert resolved_inside(folder, folder / "current") == expected
    assert resolved_inside(tmp_path / "name", tmp_path / "name" / "current") == expected


@pytest.mark.parametrize("way", ["../secret", "data/../../secret", "out/secret", "{absolute}"])
def test_a_link_that_leads_out_of_the_folder_is_refused_wherever_it_leads(tmp_path: Path, way: str) -> None:
    folder = tmp_path / "folder"
    (folder / "data").mkdir(parents=True)
    (tmp_path / "secret").write_bytes(b"x")
    (folder / "out").symlink_to(tmp_path)
    (folder / "current").symlink_to(way.format(absolute=tmp_path / "secret"))
    with pytest.raises(OSError, match="a link leads out of its folder") as caught:
        resolved_inside(folder, folder / "current")
    assert caught.value.errno == errno.ELOOP


def test_a_circle_of_links_and_nothing_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to("current")
    with pytest.raises(OSError, match=r"circle|levels of symbolic links"):
        resolved_inside(tmp_path, tmp_path / "current")
    with pytest.raises(FileNotFoundError):
        resolved_inside(tmp_path, tmp_path / "nothing")
