"""How much one step takes in: as much as is quickest, unless messages cost so much that a step would last too long."""

from monitor.core.ports import TAKE_LIMITS, TakeLimits

_LONGEST_SECONDS = 0.5  # what stops, reloads or has just come waits for the step that is being walked
_KEPT = 0.9  # of what is known of earlier steps, at each step
_LEAST_BYTES = 4096
# what is taken for known at the start: a flood that was waiting must not be one step before anything was measured
_FIRST_MESSAGES, _FIRST_SECONDS = 10.0, 0.05


class StepSize:
    """The limits for the next take, by what messages cost in the steps before."""

    def __init__(self) -> None:
        self._messages, self._seconds = _FIRST_MESSAGES, _FIRST_SECONDS

    def note(self, messages: int, seconds: float) -> None:
        """Take into account how long a step took. messages: how many it took in; 0: it scored what came before."""
        kept = _KEPT if messages else 1.0
        self._messages = kept * self._messages + messages
        self._seconds = kept * self._seconds + seconds

    @property
    def limits(self) -> TakeLimits:
        """How much the next step may take in: at least one message."""
        if self._messages * _LONGEST_SECONDS >= self._seconds * TAKE_LIMITS.messages:
            return TAKE_LIMITS
        messages = max(int(self._messages * _LONGEST_SECONDS / self._seconds), 1)
        nbytes = TAKE_LIMITS.nbytes * messages // TAKE_LIMITS.messages
        return TakeLimits(messages, max(nbytes, _LEAST_BYTES))
