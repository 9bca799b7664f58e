"""The sections `[journal]` and `[history]`: what is kept on disk."""

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field

from monitor.config.field_types import AnyPath, Seconds
from monitor.settings.section import Section

STATE_DIRECTORY = "STATE_DIRECTORY"  # set by systemd for a unit with StateDirectory=, see systemd.exec(5)

_MAX_BYTES = 2_000_000_000
_DISK_SHARE = 0.05


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


class HistoryConfig(Section):
    """What is remembered of what was measured, so that a model can be fitted to it again; see docs/history.md."""

    enabled: bool | None = None
    """Whether there is a history, in the journal's folder. Left out: there is one where there is a journal."""

    max_bytes: Annotated[int, Field(ge=1024 * 1024)] | None = None
    """Bound of the file, for all streams together. Left out: 2 GB, or 5 % of the disk where that is less."""

    max_write_bytes_per_second: Annotated[float, Field(ge=100, allow_inf_nan=False)] = 30_000.0
    """Most bytes that are written, over ten minutes. What is more is left out of the sample; scores are thinned."""

    max_processor_share: Annotated[float, Field(gt=0, le=1)] = 0.008
    """Most of the daemon's own processor time that the thread of the history takes. Where its work takes more, it comes
    later and holds fewer samples. On a machine with time to spare, more of it keeps more."""

    whole_below_bytes_per_second: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 64.0
    """A stream whose samples take less than this is kept whole, as far as its share of the file allows: 64 are 16
    channels at 1 Hz, four bytes each. Of faster ones a sample is kept."""

    max_age_seconds: Seconds | None = None
    """What is older is deleted, whatever it was kept for. Left out: nothing is, but for models that judge heartbeats:
    there 30 days."""

    def bound_bytes(self, disk_bytes: int) -> int:
        """The bound of the file on a disk of this size."""
        return self.max_bytes or min(_MAX_BYTES, int(disk_bytes * _DISK_SHARE))
