"""What sources and sinks of tests call when there is something to do."""

import threading

from monitor.core.ports import Wake


def quiet(*, urgent: bool = False) -> None:
    """Nobody waits."""


def ringing(event: threading.Event) -> Wake:
    """Sets an event."""

    def wake(*, urgent: bool = False) -> None:
        event.set()

    return wake
