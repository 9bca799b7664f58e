"""A settings file as a table: what cannot be read is told in one line, and nothing else is raised."""

import re
from pathlib import Path

import pytest

from monitor.settings.toml_file import UnreadableFileError, read_toml


def test_a_file_becomes_a_table(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text('[mqtt]\nhost = "brücke"\n', encoding="utf-8")
    assert read_toml(path) == {"mqtt": {"host": "brücke"}}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"a = 1\nb = \xfc", "not UTF-8 text (at line 2)"),
        (b"a = ", "not valid TOML: Invalid value (at end of document)"),
        (b"a = 2024-02-30", "not valid TOML: Invalid date or datetime (at line 1, column 5)"),
        (b"a = " + b"[" * 5000, "not valid TOML: nested too deeply"),
        (b"a = " + b"1" * 5000, "not valid TOML: a number has too many digits"),
    ],
)
def test_what_is_no_toml_is_told_in_one_line(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "settings.toml"
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError, match=f"^{re.escape(problem)}$"):
        read_toml(path)


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match=r"^cannot be read: No such file or directory$"):
        read_toml(tmp_path / "nowhere.toml")
    with pytest.raises(UnreadableFileError, match=r"^cannot be read: Is a directory$"):
        read_toml(tmp_path)
