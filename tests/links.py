"""Links under test, and taking messages out of them."""

from dataclasses import dataclass, field
from typing import Any

from monitor.adapters.mqtt.inbox import Inbox
from monitor.adapters.mqtt.link import MqttLink
from monitor.adapters.mqtt.settings import MqttConfig
from monitor.core.ports import TAKE_LIMITS
from monitor.core.values.messages import Message
from tests.broker import Broker, wait_until


@dataclass
class Tap:
    """A link, its inbox and what was taken out of it."""

    link: MqttLink
    inbox: Inbox
    taken: list[Message] = field(default_factory=list)

    def connected(self) -> "Tap":
        wait_until(lambda: self.link.connected, f"connected ({self.link.last_error})")
        return self

    def take(self, count: int, *, acknowledge: bool = True) -> list[Message]:
        """Take messages until there are `count` in all; every one is acknowledged as it is taken."""

        def enough() -> bool:
            batch = self.link.take(TAKE_LIMITS)
            if batch is not None:
                self.taken.extend(batch.rows())
                if acknowledge:
                    self.link.acknowledge(batch.tokens)
            return len(self.taken) >= count

        wait_until(enough, f"{count} messages")
        return self.taken

    def payloads(self) -> list[bytes]:
        return [message.payload for message in self.taken]


class Links:
    """Starts links and stops them all in the end."""

    def __init__(self) -> None:
        self._links: list[MqttLink] = []

    def start(
        self,
        broker: Broker,
        *subscriptions: tuple[str, int],
        max_messages: int = 10_000,
        max_payload_bytes: int = 100_000,
        durable: bool = False,
        **settings: Any,
    ) -> Tap:
        inbox = Inbox(max_messages, 100_000_000)
        config = MqttConfig.model_validate(
            {"host": broker.host, "port": broker.port, "client_id": "residuald"} | settings
        )
        link = MqttLink(config, subscriptions, inbox, max_payload_bytes=max_payload_bytes, durable=durable)
        link.start()
        self._links.append(link)
        return Tap(link, inbox)

    def stop(self) -> None:
        for link in self._links:
            link.stop(5.0)
