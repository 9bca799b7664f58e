"""The section `[journal]`: what is kept on disk."""

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field

from monitor.config.field_types import AnyPath, Seconds
from monitor.settings.section import Section

STATE_DIRECTORY = "STATE_DIRECTORY"  # set by systemd for a unit with StateDirectory=, see systemd.exec(5)


class JournalConfig(Section):
    """What is kept on disk, so that a crash loses nothing of QoS 1 and 2; see docs/reliability.md."""

    path: AnyPath | None = None
    """Folder of journal and checkpoint. Left out: `journal` in the state directory that systemd gives the unit; without
    one there is no journal."""

    max_bytes: Annotated[int, Field(ge=1024 * 1024)] = 256 * 1024 * 1024
    """Most bytes of messages to keep. There is a checkpoint at half of it, so only a failing disk lets it get there;
    then messages are not kept, and counted."""

    max_age_seconds: Seconds = 86400.0
    """What is older than this at the start is not taken up again."""

    checkpoint_seconds: Seconds = 10.0
    """How often the state is written. A process that starts after a crash replays what came since."""

    @property
    def folder(self) -> Path | None:
        """Where journal and checkpoint lie: `path`, or in the unit's state directory; None: there is no journal."""
        given = os.environ.get(STATE_DIRECTORY)  # systemd.exec(5): several are separated by colons
        return self.path or (Path(given.split(":")[0], "journal") if given else None)
