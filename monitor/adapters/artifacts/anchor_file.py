"""`anchor.json`: which version a model's refits are held to."""

from datetime import datetime
from pathlib import Path

from monitor.core.artifact.anchor import AnchorError, AnchorRecord, parse_anchor
from monitor.core.artifact.model_folder_names import ANCHOR_FILE
from monitor.core.artifact.proposal import Proposal
from monitor.settings.regular_file import read_regular
from monitor.settings.whole_file import write_whole

_MAX_BYTES = 4 * 2**20


def read_anchor(folder: Path) -> AnchorRecord | None:
    """The anchor of a model's folder; None where there is none, or what is there cannot be read."""
    try:
        return parse_anchor(read_regular(folder / ANCHOR_FILE, _MAX_BYTES, follow_link=False))
    except (OSError, AnchorError):
        return None


def accept_streams(folder: Path, proposal: Proposal) -> None:
    """Let a proposal's version be the anchor of the streams whose accepted data it was fitted to.

    Where there is no anchor, the version that it was compared with is that of the others.

    Raises:
        OSError: it cannot be written.

    """
    anchor = read_anchor(folder) or AnchorRecord(version=proposal.parent, at=proposal.at, by="accept")
    _write(folder, anchor.with_accepted(proposal))


def make_anchor(folder: Path, version: str, at: datetime, by: str) -> None:
    """Let a version be the anchor of all streams.

    Raises:
        OSError: it cannot be written.

    """
    _write(folder, AnchorRecord(version=version, at=at, by=by))


def _write(folder: Path, anchor: AnchorRecord) -> None:
    write_whole(folder / ANCHOR_FILE, anchor.model_dump_json().encode())
