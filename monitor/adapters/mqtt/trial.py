"""A trial of the broker: connect and subscribe once, without leaving a trace, and say what it refuses."""

import select
import time
from collections.abc import Sequence
from typing import Any

from paho.mqtt.client import ConnectFlags, DisconnectFlags
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from monitor.adapters.mqtt.client import (
    FramingClient,
    SettingsFileError,
    explain,
    explain_early_end,
    explain_refusal,
)
from monitor.adapters.mqtt.frames import FrameError, FrameReader
from monitor.adapters.mqtt.inbound_session import InboundSession
from monitor.adapters.mqtt.link_socket import FrameSocket
from monitor.adapters.mqtt.outbound_session import OutboundSession
from monitor.adapters.mqtt.settings import MqttConfig

_PATIENCE_SECONDS = 10.0  # from the TCP connection to confirmed subscriptions
_TURN_SECONDS = 0.1
_MAX_PAYLOAD_BYTES = 1024  # what is retained comes at once; nobody looks at it


class TrialError(Exception):
    """The broker cannot be reached, or does not let us in; the text says why."""


def try_broker(config: MqttConfig, subscriptions: Sequence[tuple[str, int]]) -> list[str]:
    """Connect with these settings, subscribe, and leave. Their client id must be of nobody else.

    subscriptions: pairs of topic filter and QoS. Returns what the broker refuses of them or grants in part only, one
    sentence each; it takes ten seconds at most.

    Raises:
        TrialError: there is no broker, or it refuses the connection.

    """
    trial = _Trial(config, subscriptions)
    try:
        return trial.run()
    except (SettingsFileError, FrameError) as error:
        raise TrialError(str(error)) from None
    except OSError as error:
        raise TrialError(explain(error, config)) from None


class _Trial:
    def __init__(self, config: MqttConfig, subscriptions: Sequence[tuple[str, int]]) -> None:
        self._config = config
        self._subscriptions = list(subscriptions)
        self._refused: list[str] | None = None  # once the broker has answered
        self._ended: str | None = None

    def run(self) -> list[str]:
        mqtt5 = self._config.protocol == "5"
        reader = FrameReader(mqtt5, _MAX_PAYLOAD_BYTES, InboundSession(), OutboundSession(mqtt5=mqtt5))
        client = FramingClient(self._config, reader, persistent=False)
        client.on_connect, client.on_subscribe = self._on_connect, self._on_subscribe
        client.on_disconnect = self._on_disconnect
        wire = client.open(self._config)
        try:
            give_up = time.monotonic() + _PATIENCE_SECONDS
            while self._refused is None:
                if self._ended is not None or client.socket() is None:
                    raise TrialError(self._ended or explain_early_end(self._config))
                if time.monotonic() > give_up:
                    raise TrialError(f"the broker did not confirm the subscriptions in {_PATIENCE_SECONDS:g} s")
                self._turn(client, wire)
            client.disconnect()
            client.loop_write()
            wire.flush()
            return self._refused
        finally:
            wire.abort()

    def _turn(self, client: FramingClient, wire: FrameSocket) -> None:
        client.loop_write()
        wire.flush()
        if not wire.buffered:
            select.select([wire], [], [], _TURN_SECONDS)
        wire.receive(time.time())
        while wire.for_library and client.socket() is not None:
            client.loop_read()

    def _on_connect(
        self, client: Any, _userdata: Any, _flags: ConnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self._ended = explain_refusal(reason, self._config)
        elif self._subscriptions:
            client.subscribe(self._subscriptions)
        else:
            self._refused = []

    def _on_subscribe(
        self, _client: Any, _userdata: Any, _mid: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        user = "anonymous clients" if self._config.username is None else f"user {self._config.username!r}"
        self._refused = []
        for (topic, qos), reason in zip(self._subscriptions, reasons, strict=False):
            if reason.is_failure:
                self._refused.append(f"the broker denies {user} the subscription {topic!r}: {reason}")
            elif reason.value < qos:
                self._refused.append(f"the broker grants {topic!r} at QoS {reason.value} only, not {qos}")

    def _on_disconnect(
        self, _client: Any, _userdata: Any, flags: DisconnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if self._ended is None:
            told = flags.is_disconnect_packet_from_server
            self._ended = explain_refusal(reason, self._config) if told else explain_early_end(self._config)
