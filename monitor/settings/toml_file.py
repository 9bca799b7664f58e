"""A settings file as a table: TOML, read and worded once for daemon and trainer."""

import tomllib
from pathlib import Path
from typing import Any

from monitor.settings.regular_file import MAX_SETTINGS_BYTES, read_regular


class UnreadableFileError(ValueError):
    """A settings file cannot be read as TOML; the text says why, without the file's name."""


def read_toml(path: Path) -> dict[str, Any]:
    """Read a file into the table it holds.

    path: the file, UTF-8 text. Returns the TOML document.

    Raises:
        UnreadableFileError: the file cannot be opened, is no regular file, is too large, is not UTF-8, or is not TOML
            that can be held.

    """
    try:
        return tomllib.loads(read_regular(path, MAX_SETTINGS_BYTES).decode("utf-8"))
    except OSError as error:
        raise UnreadableFileError(f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UnreadableFileError(f"not UTF-8 text (at line {line})") from None
    except tomllib.TOMLDecodeError as error:
        raise UnreadableFileError(f"not valid TOML: {error}") from None
    except RecursionError:
        raise UnreadableFileError("not valid TOML: nested too deeply") from None
    except ValueError:  # Python converts no text of thousands of digits into a number
        raise UnreadableFileError("not valid TOML: a number has too many digits") from None
