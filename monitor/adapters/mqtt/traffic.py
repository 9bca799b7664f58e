"""What the network thread shares with the others, for as long as the link lives."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from monitor.adapters.mqtt.broker_limits import Fitting
from monitor.adapters.mqtt.inbound_session import InboundSession, Receipt
from monitor.adapters.mqtt.inbox import Inbox
from monitor.adapters.mqtt.outbound_session import OutboundSession
from monitor.adapters.mqtt.send_queue import SendQueue
from monitor.adapters.mqtt.waker import Waker
from monitor.core.ports import Wake, do_nothing

_MAX_OUTGOING_MESSAGES = 20_000


@dataclass(slots=True)
class Traffic:
    """What goes through the connections of one link.

    outbound, inbound: the network thread's own, but for the deques of the former, which any thread may empty.
    released: packet identifiers for `OutboundSession.release`. receiving: whether messages go to the inbox.
    leave_before: once set, say goodbye and be gone by then (monotonic). wake: lets the engine look at what came or was
    answered. unanswered_since: when the oldest message was handed over that waits for its answer (monotonic).
    fitting: what the broker takes. refused: how many messages it did not take.
    """

    inbox: Inbox
    max_payload_bytes: int
    clock: Callable[[], float]
    outbound: OutboundSession
    send_queue: SendQueue = field(default_factory=lambda: SendQueue(_MAX_OUTGOING_MESSAGES))
    acknowledged: deque[Receipt] = field(default_factory=deque)
    released: deque[int] = field(default_factory=deque)
    inbound: InboundSession = field(default_factory=InboundSession)
    waker: Waker = field(default_factory=Waker)
    fitting: Fitting = field(default_factory=Fitting)
    receiving: bool = True
    leave_before: float | None = None
    wake: Wake = do_nothing
    connections: int = 0  # how many came online
    accepted: bool = False  # whether any broker ever was content with our CONNECT
    refused: int = 0
    session_kept: bool = False  # whether the broker should still have a session of ours
    sessions_not_kept: int = 0
    sessions_taken_over: int = 0
    unanswered_since: float | None = None
    downgrade_shown: bool = False
