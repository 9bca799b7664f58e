"""Positions in files: they fit the file that was read, grown or copied, and no other."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.adapters.file.position import Position

TEXT = b"".join(b'{"ts": %d}\n' % number for number in range(3000))  # longer than what is checked at either end


@contextmanager
def opened(path: Path, text: bytes) -> Iterator[int]:
    path.write_bytes(text)
    descriptor = os.open(path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


@pytest.mark.parametrize("offset", [0, 1, 12, 5000, len(TEXT)])
def test_a_position_fits_the_file_it_is_of_also_when_it_was_copied_or_has_grown(tmp_path: Path, offset: int) -> None:
    with opened(tmp_path / "one", TEXT) as one, opened(tmp_path / "two", TEXT + b"more\n") as two:
        position = Position.of(one, offset)
        assert position.fits(one)
        assert position.fits(two)


@pytest.mark.parametrize(
    "other", [TEXT[1:], TEXT[:19_000], b"", b"x" + TEXT[1:], TEXT[:-5000] + b"x" + TEXT[-4999:]], ids=len
)
def test_a_position_does_not_fit_a_file_that_was_cut_or_has_another_beginning_or_end(
    tmp_path: Path, other: bytes
) -> None:
    with opened(tmp_path / "one", TEXT) as one, opened(tmp_path / "two", other) as two:
        assert not Position.of(one, len(TEXT) - 4000).fits(two)


def test_a_position_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    with opened(tmp_path / "one", TEXT) as one:
        position = Position.of(one, 100)
    assert Position.decode(position.encode()) == position


@given(st.binary())
def test_what_is_no_position_is_none(text: bytes) -> None:
    assert Position.decode(text) is None


def test_a_position_before_the_beginning_is_none() -> None:
    assert Position.decode(b'{"offset":-1,"digest":""}') is None
