"""The subscriptions of one connection: which are asked for, which the broker grants, and what is said of the others."""

from collections.abc import Sequence

import structlog
from paho.mqtt.reasoncodes import ReasonCode

from monitor.adapters.mqtt.broker_limits import BrokerLimits
from monitor.adapters.mqtt.frames import FrameError
from monitor.adapters.mqtt.outbound_session import variable_integer

log = structlog.get_logger()

_SUBSCRIBE = 0x82
_PACKET_ID = 1  # as the library's first: no other packet of ours has it
_RETAINED_IF_NEW = 0x10  # retained messages only where there was no such subscription; MQTT 5.0, section 3.8.3.1


class Subscriptions:
    """Pairs of topic filter and QoS. denied: filters that the broker does not let us subscribe to."""

    def __init__(self, wanted: Sequence[tuple[str, int]], username: str | None) -> None:
        self.wanted = tuple(wanted)
        self.denied: tuple[str, ...] = ()
        self._username = username
        self._asked: list[tuple[str, int]] = []
        self._left_out: list[str] = []

    def ask(self, limits: BrokerLimits) -> list[tuple[str, int]]:
        """What to ask for: all that the broker takes. It would end the connection over the others."""
        self._asked = [each for each in self.wanted if limits.admits(each[0])]
        self._left_out = [topic for topic, _ in self.wanted if not limits.admits(topic)]
        for topic in self._left_out:
            log.error(
                "the broker takes no subscription of this kind",
                topic=topic,
                hint="it admits no wildcards: a source for each topic, without placeholders, would do",
            )
        self.denied = tuple(self._left_out)
        return self._asked

    def answered(self, reasons: Sequence[ReasonCode]) -> None:
        """Take SUBACK.

        Raises:
            FrameError: it does not answer what was asked.

        """
        if len(reasons) != len(self._asked):
            raise FrameError(f"the broker breaks MQTT: of {len(self._asked)} subscriptions it answered {len(reasons)}")
        denied = []
        for (topic, qos), reason in zip(self._asked, reasons, strict=True):
            if reason.is_failure:
                denied.append(topic)
                log.error("broker denies a subscription", topic=topic, reason=str(reason), user=self._username)
            elif reason.value < qos:
                log.warning(
                    "the broker grants a lower QoS: messages may be lost on the way to us",
                    topic=topic,
                    asked=qos,
                    granted=reason.value,
                )
        self.denied = (*self._left_out, *denied)

    def packet(self) -> bytes:
        """SUBSCRIBE for all that was asked for, once more: a broker of MQTT 5 sends no retained messages for that."""
        filters = [(topic.encode(), qos) for topic, qos in self._asked]
        body = _PACKET_ID.to_bytes(2, "big") + b"\0"  # no properties
        body += b"".join(
            len(topic).to_bytes(2, "big") + topic + bytes((qos | _RETAINED_IF_NEW,)) for topic, qos in filters
        )
        return bytes((_SUBSCRIBE,)) + variable_integer(len(body)) + body
