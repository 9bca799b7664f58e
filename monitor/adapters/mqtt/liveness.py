"""Liveness: whether the broker at the other end of a connection is still there, by what has come and when.

Three limits: on the handshake, on the time without a byte although the broker was asked, and on the time without a
message. Sensors may be slow, so the last one ends no connection: the broker is asked, and when anything comes from it,
it is alive, and silence is counted anew. Pure: times come in, monotonic seconds.
"""

_HANDSHAKE_SECONDS = 10.0  # from TCP connection to confirmed subscriptions
_DEAD_TIMES = 2.0  # the keep-alive, without a byte from the broker although it was asked: the connection is dead
_ANSWER_SECONDS = 10.0  # for a broker that is asked after a silence


class Liveness:
    """Counts from `now`, when the connection was made.

    keepalive_seconds: how often the broker is asked. silence_seconds: without a message for so long, it is asked as
    well; 0: never.
    """

    def __init__(self, keepalive_seconds: float, silence_seconds: float, now: float) -> None:
        self._keepalive_seconds = keepalive_seconds
        self._silence_seconds = silence_seconds
        self._began = self._last_bytes = self._last_message = self._last_ping = now
        self._asked: float | None = None  # because of a silence

    def bytes_came(self, now: float) -> None:
        """Something came from the broker."""
        self._last_bytes = now

    def message_came(self, now: float) -> None:
        """A message came, or silence begins to count."""
        self._last_message, self._asked = now, None

    def is_not_read(self, now: float) -> None:
        """Nothing is read for now: silence of our own making does not count."""
        self._began = self._last_bytes = now
        self.message_came(now)

    def ping_is_due(self, now: float, every_seconds: float) -> bool:
        """Whether PINGREQ is to be sent now."""
        if now - self._last_ping < every_seconds:
            return False
        self._last_ping = now
        return True

    def asks(self, now: float) -> bool:
        """Whether the broker is to be asked now because no message came; true once for each silence."""
        silent = self._silence_seconds and now - self._last_message > self._silence_seconds
        if not silent or self._asked is not None:
            return False
        self._asked = now
        return True

    def end(self, now: float, *, online: bool) -> str | None:
        """Why the connection is of no use; None while it is. online: whether the subscriptions are confirmed."""
        quiet_seconds = now - self._last_bytes
        if quiet_seconds > _DEAD_TIMES * self._keepalive_seconds:
            return f"the broker has not answered for {quiet_seconds:.0f} s"
        if not online:
            late = now - self._began > _HANDSHAKE_SECONDS
            return f"the broker did not confirm the subscriptions in {_HANDSHAKE_SECONDS:g} s" if late else None
        if self._asked is None:
            return None
        if self._last_bytes > self._asked:
            self.message_came(now)  # as good as: it is there
        elif now - self._asked > _ANSWER_SECONDS:
            silent_seconds = now - self._last_message
            return f"no message came for {silent_seconds:.0f} s, and the broker did not answer when it was asked"
        return None
