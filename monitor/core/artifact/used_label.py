"""A used label: what a person said of an interval, as it went into a refit."""

from typing import Literal

from monitor.core.artifact.part import Finite, ManifestPart


class UsedLabel(ManifestPart):
    """Who said what of which stream, and when (epoch seconds). to_seconds: None if the interval has no end.

    id: of the label in the history.
    """

    stream: str
    from_seconds: Finite
    to_seconds: Finite | None
    kind: Literal["confirmed", "false_alarm", "bad", "maintenance", "new_normal"]
    who: str
    at_seconds: Finite
    source: str
    id: int | None = None
