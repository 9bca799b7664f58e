"""A labelled alert: what a label takes from the alert that it is about."""

from typing import NamedTuple

LEAST_OF_ID = 8  # characters of an alert's id that may stand for it

_LEAST_SECONDS = 1.0  # of an alert that a single window made


class LabelledAlert(NamedTuple):
    """An alert that a label is about; from_seconds, to_seconds (infinity: it is open): event time."""

    id: str
    stream: str
    from_seconds: float
    to_seconds: float

    def until(self, now_seconds: float) -> float:
        """When a label about it ends that is given now (wall clock): of an open alert what it has been is labelled."""
        return max(min(self.to_seconds, now_seconds), self.from_seconds + _LEAST_SECONDS)
