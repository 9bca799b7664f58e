"""What the broker takes, as far as it says so in CONNACK, and how what we publish is made to fit.

MQTT 5.0, section 3.2.2.3. A broker ends the connection with whoever sends more than it has said, so a message that it
would not take must not be sent: it would be sent again by the next connection, and end that one, too.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

from paho.mqtt.properties import Properties

from monitor.adapters.mqtt.outbound_session import UNTOLD_IN_FLIGHT
from monitor.adapters.mqtt.send_queue import Outgoing
from monitor.adapters.mqtt.settings import MqttConfig
from monitor.core.outputs.reports import without_channels

RETAIN_NOT_SUPPORTED, QOS_NOT_SUPPORTED, PACKET_TOO_LARGE = 0x9A, 0x9B, 0x95  # reason codes; MQTT 5.0, section 2.4
_MOST_IN_FLIGHT = 65_535  # where the broker sets no limit
_HEADER_BYTES = 1 + 4 + 2 + 2 + 1  # of PUBLISH, at most: type, length, length of the topic, identifier, no properties
_SAME_END_TIMES = 3  # so often may one message have been the largest unanswered one when a connection ended


@dataclass(frozen=True, slots=True)
class BrokerLimits:
    """What one broker takes. None: it has said nothing.

    max_qos: of PUBLISH. retain: whether it keeps retained messages. receive_maximum: how many of our messages may wait
    for its answer. keepalive_seconds: how often it wants to receive something, in place of our setting.
    session_expiry_seconds: how long it keeps our session. wildcards, shared: which subscriptions it takes.
    """

    max_qos: int = 2
    retain: bool = True
    receive_maximum: int = UNTOLD_IN_FLIGHT
    max_packet_bytes: int | None = None
    keepalive_seconds: int | None = None
    session_expiry_seconds: int | None = None
    wildcards: bool = True
    shared: bool = True

    @classmethod
    def told(cls, properties: Properties | None) -> Self:
        """Read the properties of a CONNACK of MQTT 5; what is left out has no limit."""
        return cls(
            max_qos=getattr(properties, "MaximumQoS", 2),
            retain=bool(getattr(properties, "RetainAvailable", 1)),
            receive_maximum=getattr(properties, "ReceiveMaximum", _MOST_IN_FLIGHT),
            max_packet_bytes=getattr(properties, "MaximumPacketSize", None),
            keepalive_seconds=getattr(properties, "ServerKeepAlive", None),
            session_expiry_seconds=getattr(properties, "SessionExpiryInterval", None),
            wildcards=bool(getattr(properties, "WildcardSubscriptionAvailable", 1)),
            shared=bool(getattr(properties, "SharedSubscriptionAvailable", 1)),
        )

    def shortcomings(self, config: MqttConfig) -> Iterator[str]:
        """What the broker does less than the settings ask for, and what follows from it."""
        if not self.retain:
            yield "retained messages: whoever subscribes later does not see states of streams, nor our status"
        if self.max_qos < config.alert_qos:
            yield f"QoS above {self.max_qos}: a step of an alert may {'come twice' if self.max_qos else 'be lost'}"
        if self.session_expiry_seconds is not None and self.session_expiry_seconds < config.session_expiry_seconds:
            yield f"session of more than {self.session_expiry_seconds} s: it forgets what came while we are away longer"

    def after_refusal(self, code: int, properties: Properties | None) -> "BrokerLimits | None":
        """What a refused CONNECT says about the last will: the limits to try again with; None where it is not that."""
        if code == RETAIN_NOT_SUPPORTED and self.retain:
            return replace(self, retain=False)
        if code == QOS_NOT_SUPPORTED and self.max_qos:
            return replace(self, max_qos=getattr(properties, "MaximumQoS", 0))
        return None

    def pings_every(self, keepalive_seconds: float) -> float:
        """How often to send PINGREQ: as is set, or as the broker says where that is more often."""
        return min(keepalive_seconds, self.keepalive_seconds or keepalive_seconds)

    def admits(self, topic_filter: str) -> bool:
        """Whether the broker takes a subscription of this kind."""
        if topic_filter.startswith("$share/") and not self.shared:
            return False
        return self.wildcards or not any(mark in topic_filter for mark in "+#")


class Fitting:
    """Makes messages fit the broker, over all connections.

    Brokers of MQTT 3.1.1 close the connection over what is too large and do not say why. So of the messages that can be
    shortened one that was the largest without an answer at the end of three connections in a row is shortened.
    """

    def __init__(self) -> None:
        self.limits = BrokerLimits()
        self._most_payload_bytes: int | None = None  # what was found out
        self._told = False  # whether a broker named the size as the reason
        self._suspect_bytes = self._times = 0

    def fit(self, message: Outgoing) -> Outgoing | None:
        """The message as the broker takes it; None where it cannot be made to fit."""
        if message.retain and not self.limits.retain:
            message = message._replace(retain=False)
        if self._fits(message):
            return message
        payload = without_channels(message.payload)
        if payload is not None:
            message = message._replace(payload=payload)
        known = self.limits.max_packet_bytes is not None or self._told
        return message if self._fits(message) or not known else None

    def connection_ended(self, unanswered: Sequence[Outgoing], reason_code: int | None) -> None:
        """Find out what may be too large. unanswered: what the broker had not answered when the connection ended."""
        told = reason_code == PACKET_TOO_LARGE
        payloads = [message.payload for message in unanswered]
        # a broker that does not say why may have closed for anything: no use to suspect what would be sent all the same
        suspects = payloads if told else [payload for payload in payloads if without_channels(payload) is not None]
        largest = max(map(len, suspects), default=0)
        self._times = self._times + 1 if largest == self._suspect_bytes else 1
        self._suspect_bytes = largest
        if largest and (told or self._times >= _SAME_END_TIMES):
            self._most_payload_bytes, self._told = largest - 1, told

    def _fits(self, message: Outgoing) -> bool:
        size, most = len(message.payload), self.limits.max_packet_bytes
        if most is not None and _HEADER_BYTES + len(message.topic.encode()) + size > most:
            return False
        return self._most_payload_bytes is None or size <= self._most_payload_bytes
