"""The publisher: gives the broker what waits to be published, in the shape in which it takes it, and sees its answers.

Only the network thread is here. How often the broker gets a message is `outbound_session`'s.
"""

import structlog

from monitor.adapters.mqtt.broker_limits import PACKET_TOO_LARGE
from monitor.adapters.mqtt.link_socket import FrameSocket
from monitor.adapters.mqtt.reason_hints import hint_of, name_of
from monitor.adapters.mqtt.send_queue import Outgoing
from monitor.adapters.mqtt.traffic import Traffic

log = structlog.get_logger()


class Publisher:
    """Publishes over one connection."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic

    def publish_waiting(self, wire: FrameSocket) -> None:
        """Release what is committed, and send what waits, as far as the broker and the socket take it."""
        traffic = self._traffic
        while traffic.released:
            traffic.outbound.release([traffic.released.popleft()])
        while traffic.outbound.has_room and not wire.congested:
            message = traffic.send_queue.take()
            if message is None:
                break
            self.send(message)
        if traffic.outbound.refused or traffic.outbound.confirmed:  # without an answer: too large, or of QoS 0
            self.note_answers()

    def send(self, message: Outgoing) -> None:
        """Publish a message in the shape in which the broker takes it."""
        outbound, fitted = self._traffic.outbound, self._traffic.fitting.fit(message)
        if fitted is None:
            outbound.refuse(message, PACKET_TOO_LARGE)
            return
        if fitted.payload is not message.payload:
            log.warning(
                "an alert is larger than the broker takes; it is sent without `channels`",
                topic=message.topic,
                nbytes=len(message.payload),
            )
        outbound.send(fitted)

    def note_answers(self) -> None:
        """See what the broker answered to what we publish."""
        outbound = self._traffic.outbound
        if outbound.received or outbound.confirmed:
            self._traffic.wake(urgent=True)  # what the broker has is passed on once that is committed
        if outbound.downgraded and not self._traffic.downgrade_shown:
            self._traffic.downgrade_shown = True
            log.warning(
                "the broker answers QoS 2 as if it were QoS 1: a step of an alert may come twice after a crash",
                remedy="mqtt.alert_qos = 1 makes this the rule and ends the warning",
            )
        while outbound.refused:
            message, code = outbound.refused.popleft()
            self._traffic.refused += 1
            reason = f"{name_of(code)}{hint_of(code)}"
            log.error("broker refuses what we publish", topic=message.topic, reason=reason)
