"""How much one step takes in: as much as is quickest, unless the models are so slow that a step would last too long."""

from monitor.core.ports import TAKE_LIMITS, TakeLimits

# What stops, reloads or has just come waits for the step that is being walked.
_LONGEST_SECONDS = 0.5
_LEAST_BYTES = 4096


class StepSize:
    """The limits for the next take. They shrink after a long step, and grow back while steps are short."""

    def __init__(self) -> None:
        self.limits = TAKE_LIMITS

    def note(self, messages: int, seconds: float) -> None:
        """Take into account how long a step took. messages: how many it took in."""
        if seconds > _LONGEST_SECONDS:
            self._set(int(messages * _LONGEST_SECONDS / seconds))
        elif self.limits is not TAKE_LIMITS and seconds < _LONGEST_SECONDS / 4:
            self._set(2 * self.limits.messages)

    def _set(self, messages: int) -> None:
        if messages >= TAKE_LIMITS.messages:
            self.limits = TAKE_LIMITS
            return
        messages = max(messages, 1)
        nbytes = TAKE_LIMITS.nbytes * messages // TAKE_LIMITS.messages
        self.limits = TakeLimits(messages, max(nbytes, _LEAST_BYTES))
