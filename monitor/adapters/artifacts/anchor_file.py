"""`anchor.json`: which version a model's refits are held to."""

import errno
from datetime import datetime
from pathlib import Path

from monitor.core.artifact.anchor import AnchorError, AnchorRecord, parse_anchor
from monitor.core.artifact.model_folder_names import ANCHOR_FILE
from monitor.core.artifact.proposal import Proposal
from monitor.settings.regular_file import read_regular
from monitor.settings.whole_file import write_whole

_MAX_BYTES = 4 * 2**20


def read_anchor(folder: Path) -> AnchorRecord | None:
    """The anchor of a model's folder; None where none is written down.

    Raises:
        OSError: it cannot be read, or is no anchor.

    """
    file = folder / ANCHOR_FILE
    try:
        return parse_anchor(read_regular(file, _MAX_BYTES, follow_link=False))
    except FileNotFoundError:
        return None
    except AnchorError as error:
        raise OSError(errno.EINVAL, f"is no anchor: {error}", str(file)) from None


def keep_anchor(folder: Path, champion: str, proposal: Proposal) -> None:
    """Write down what the anchor is once a proposal is promoted, where that changes or was not written down.

    The proposal's version becomes the anchor of its accepted streams. Of all others it is what it was: where nothing is
    written down, as in folders of before there were anchors, the champion until then.

    Raises:
        OSError: it cannot be read or written.

    """
    before = read_anchor(folder)
    anchor = before or AnchorRecord(version=champion, at=proposal.at, by="fit")
    after = anchor.with_accepted(proposal)
    if after != before:
        _write(folder, after)


def make_anchor(folder: Path, version: str, at: datetime, by: str) -> None:
    """Let a version be the anchor of all streams.

    Raises:
        OSError: it cannot be written.

    """
    _write(folder, AnchorRecord(version=version, at=at, by=by))


def _write(folder: Path, anchor: AnchorRecord) -> None:
    write_whole(folder / ANCHOR_FILE, anchor.model_dump_json().encode())
