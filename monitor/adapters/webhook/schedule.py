"""Which step of which alert a webhook is sent next: steps of one alert in order, each tried until it is done."""

import heapq
import math
from collections import deque
from dataclasses import dataclass
from itertools import count

from monitor.core.ports import Delivery


@dataclass(slots=True)
class Waiting:
    """A step that waits. accepted_seconds: epoch, when it was first handed over. attempts: how many have failed."""

    delivery: Delivery
    accepted_seconds: float
    attempts: int = 0


class Schedule:
    """The steps that wait, with the time of their next attempt. Times are of one monotonic clock, in seconds.

    Of each alert the oldest step is tried, at its time; the others wait until it is done. One alert that fails again
    and again holds up no other.
    """

    def __init__(self) -> None:
        self._alerts: dict[str, deque[Waiting]] = {}
        self._next: list[tuple[float, int, str]] = []  # heap of (time, order, alert); without the one that was taken
        self._order = count()
        self._paused_until = -math.inf
        self._length = 0

    def __len__(self) -> int:
        """How many steps wait, with the one that was taken."""
        return self._length

    def add(self, waiting: Waiting, due_seconds: float) -> bool:
        """Add a step, to be tried at this time and after the earlier ones of its alert; False if it waits already."""
        alert = waiting.delivery.key.alert
        steps = self._alerts.setdefault(alert, deque())
        if any(other.delivery.key == waiting.delivery.key for other in steps):
            return False
        steps.append(waiting)
        self._length += 1
        if len(steps) == 1:
            self._put(alert, due_seconds)
        return True

    def take(self, now_seconds: float) -> Waiting | None:
        """The step to try now; None if none is due. `done` or `again` has to follow before the next."""
        if self.due_seconds() > now_seconds:
            return None
        _, _, alert = heapq.heappop(self._next)
        return self._alerts[alert][0]

    def due_seconds(self) -> float:
        """When the next step is to be tried; infinite if none waits for its time."""
        return max(self._next[0][0], self._paused_until) if self._next else math.inf

    def done(self, waiting: Waiting, now_seconds: float) -> None:
        """The step that was taken needs no further attempt: the next one of its alert may be tried now."""
        alert = waiting.delivery.key.alert
        steps = self._alerts[alert]
        steps.popleft()
        self._length -= 1
        if steps:
            self._put(alert, now_seconds)
        else:
            del self._alerts[alert]

    def again(self, waiting: Waiting, due_seconds: float) -> None:
        """Try the step that was taken once more, at this time."""
        self._put(waiting.delivery.key.alert, due_seconds)

    def pause(self, until_seconds: float) -> None:
        """Let nothing be due before this time."""
        self._paused_until = max(self._paused_until, until_seconds)

    def hurry(self, now_seconds: float) -> None:
        """Let all that wait for their time be tried now, but for a pause."""
        self._next = [(min(due, now_seconds), order, alert) for due, order, alert in self._next]
        heapq.heapify(self._next)

    def oldest_accepted_seconds(self) -> float | None:
        """When the step that waits for longest was first handed over, in epoch seconds; None if none waits."""
        return min((steps[0].accepted_seconds for steps in self._alerts.values()), default=None)

    def _put(self, alert: str, due_seconds: float) -> None:
        heapq.heappush(self._next, (due_seconds, next(self._order), alert))
