"""Alert records: what the history keeps of an alert, long after its steps were delivered."""

from typing import NamedTuple


class AlertRecord(NamedTuple):
    """One alert of a stream.

    from_seconds, to_seconds: event time of its first anomalous window and of the one that ended it (infinity: it is
    open). fired: whether it ever fired. peak: the highest score of its windows. end_reason: as in its last step; None
    while it is open. channels: those that its steps named, by time.
    """

    id: str
    model: str
    stream: str
    from_seconds: float
    to_seconds: float
    fired: bool
    peak: float
    end_reason: str | None
    channels: tuple[str, ...]
