"""The sections `[mqtt]` and `[mqtt.tls]`: the connection to the broker."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from monitor.config.field_types import BASE_TOPIC, Host, Port, ReadableFile, SecretFile
from monitor.settings.section import Section

_MOST_TEXT_BYTES = 65_535  # MQTT 5.0, section 1.5.4
_BELOW_BASE_BYTES = 256  # more than the name of a stream and the levels around it take


def _is_sendable(text: str) -> str:
    if any(ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for character in text):
        raise ValueError("brokers close the connection over control characters in it")
    if len(text.encode()) > _MOST_TEXT_BYTES:
        raise ValueError(f"it may have {_MOST_TEXT_BYTES} bytes at most")
    return text


def _leaves_room(topic: str) -> str:
    if len(topic.encode()) > _MOST_TEXT_BYTES - _BELOW_BASE_BYTES:
        raise ValueError(
            f"topics below it would be too long for MQTT: {_MOST_TEXT_BYTES - _BELOW_BASE_BYTES} bytes at most"
        )
    return topic


Sendable = Annotated[str, AfterValidator(_is_sendable)]
BaseTopic = Annotated[Sendable, Field(pattern=r"^[^+#/\s]+(/[^+#/\s]+)*$"), AfterValidator(_leaves_room)]


class TlsConfig(Section):
    """TLS to the broker. An empty `[mqtt.tls]` turns it on and trusts the system's authorities."""

    ca_file: ReadableFile | None = None
    """Certificates of the authorities to trust (PEM), instead of the system's."""

    certificate_file: ReadableFile | None = None
    """Our own certificate (PEM), where the broker asks for one. Goes together with `key_file`."""

    key_file: SecretFile | None = None
    """The private key of `certificate_file` (PEM, not encrypted). Looked up like `mqtt.password_file`."""

    @model_validator(mode="after")
    def _certificate_with_key(self) -> "TlsConfig":
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("`certificate_file` and `key_file` go together")
        return self


class MqttConfig(Section):
    """The broker connection."""

    host: Annotated[Host, Field(min_length=1)] = "localhost"
    """Name or address of the broker."""

    port: Port = 1883
    """TCP port of the broker; 8883 is usual with TLS. MQTT over WebSocket is not spoken."""

    protocol: Literal["3.1.1", "5"] = "5"
    """MQTT version to speak."""

    client_id: Annotated[Sendable, Field(min_length=1)] | None = None
    """What the broker knows us by, and keeps our session under while we are away; any text. Left out, one is made up
    once and kept beside the journal (`residuald` where an older version left a journal there). Two daemons on one
    broker need different ones."""

    username: Sendable | None = None
    """User to log in as; left out, the connection is anonymous."""

    password_file: SecretFile | None = None
    """File with the password; a newline at its end is not part of it. Needs `username`. A relative path is looked up
    among the credentials that systemd passes to the unit first, then beside the configuration file."""

    tls: TlsConfig | None = None
    """Encrypt the connection; see `[mqtt.tls]`. Left out: no TLS."""

    keepalive_seconds: Annotated[int, Field(ge=5, le=3600)] = 30
    """How often the broker is asked for a sign of life. After two of them without a byte from it, the connection is
    made anew. A broker of MQTT 5 that wants to be asked more often is."""

    session_expiry_seconds: Annotated[int, Field(ge=0, le=2**32 - 1)] = 3600
    """How long the broker keeps QoS 1 and 2 messages for us while we are away (MQTT 5). 4294967295: for ever."""

    silence_timeout_seconds: Annotated[float, Field(ge=0)] = 120.0
    """Connected, yet no message for so long: the broker is asked whether it is there (and with MQTT 5 subscribed to
    once more), and the connection made anew where it does not answer within 10 s. 0 turns it off."""

    reconnect_ceiling_seconds: Annotated[float, Field(gt=0, le=30)] = 30.0
    """The longest wait between two attempts to connect. Waits double from one second up to it, with jitter."""

    alert_qos: Literal[1, 2] = 2
    """QoS of alerts. 2: the broker gets each step exactly once, whatever dies in between. 1: for a broker that knows no
    QoS 2 (AWS IoT Core, Azure Event Grid); a step may come twice then. A broker that says so itself (MQTT 5) is heeded.
    """

    base_topic: BaseTopic = BASE_TOPIC
    """Everything residuald publishes is below this topic."""

    commands: bool = False
    """Apply what is published to `<base_topic>/<stream>/set/mute`, `…/relearn` and `…/forget`; see docs/commands.md.
    Whoever publishes there can silence alerts: restrict it in the broker (SECURITY.md)."""

    @model_validator(mode="after")
    def _password_with_user(self) -> "MqttConfig":
        if self.password_file is not None and self.username is None:
            raise ValueError("`password_file` needs `username`")
        return self
