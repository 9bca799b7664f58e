"""A paho client for one connection, made from the settings; and what to tell the operator when it cannot connect.

Certificates and the password are read anew for every connection, so that renewed ones are used without a restart.
"""

import socket
import ssl
from pathlib import Path

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from monitor.adapters.mqtt.frames import FrameReader
from monitor.adapters.mqtt.link_socket import FrameSocket
from monitor.adapters.mqtt.reason_hints import hint_of
from monitor.adapters.mqtt.send_queue import Outgoing
from monitor.adapters.mqtt.settings import MqttConfig, TlsConfig
from monitor.settings.regular_file import MAX_SETTINGS_BYTES, check_regular, read_regular

CONNECT_TIMEOUT_SECONDS = 5.0
# How many unacknowledged messages the broker may send. Mosquitto takes 20 where the client says nothing, and a window
# of 20 answered every 50 ms would hold QoS 1 at 400 messages a second. (MQTT 3.1.1 cannot say it.)
RECEIVE_MAXIMUM = 10_000


# brokers without MQTT 5 may close the connection, or never answer
ASK_FOR_MQTT5 = 'does the broker speak MQTT 5? if not: mqtt.protocol = "3.1.1"'


class SettingsFileError(Exception):
    """A file that the settings name cannot be used; the text names the file and never its content."""


class FramingClient(paho.Client):
    """A paho client whose socket is a `FrameSocket`.

    `_create_socket` is the one protected member of paho that is relied on: it has no public hook for the socket.
    """

    def __init__(self, config: MqttConfig, reader: FrameReader, *, persistent: bool) -> None:
        """Store the settings; `persistent` asks the broker to keep the session while we are away."""
        mqtt5 = config.protocol == "5"
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=config.client_id or "",  # without one the broker makes one up, and keeps no session
            clean_session=None if mqtt5 else not persistent,
            protocol=MQTTProtocolVersion.MQTTv5 if mqtt5 else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,  # else it falls back to MQTT 3.1 behind our back
        )
        self._reader = reader
        self._wire: FrameSocket | None = None
        self._persistent = persistent
        if config.username is not None:
            self.username_pw_set(config.username, _password(config.password_file))
        self._tls = None if config.tls is None else _tls_context(config.tls)

    def open(self, config: MqttConfig) -> FrameSocket:
        """Connect and send CONNECT; blocks for a few seconds at most.

        Raises:
            OSError: among them `ssl.SSLError` and `socket.gaierror`; `explain` makes a text of it.

        """
        if config.protocol == "5":
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.ReceiveMaximum = RECEIVE_MAXIMUM
            properties.SessionExpiryInterval = config.session_expiry_seconds if self._persistent else 0
            self.connect(
                config.host,
                config.port,
                config.keepalive_seconds,
                clean_start=not self._persistent,
                properties=properties,
            )
        else:
            self.connect(config.host, config.port, config.keepalive_seconds)
        if self._wire is None:
            raise RuntimeError("this version of paho-mqtt does not make its socket through _create_socket")
        return self._wire

    def _create_socket(self) -> FrameSocket:
        stream = socket.create_connection((self.host, self.port), CONNECT_TIMEOUT_SECONDS)
        try:
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # writes are gathered here already
            if self._tls is not None:
                stream = self._tls.wrap_socket(stream, server_hostname=self.host)
        except OSError:
            stream.close()
            raise
        self._wire = FrameSocket(stream, self._reader)
        return self._wire


def explain(error: OSError, config: MqttConfig) -> str:  # noqa: PLR0911 one for each kind of failure
    """Say why connecting failed, and what to look at."""
    where = f"{config.host}:{config.port}"
    match error:
        case ssl.SSLCertVerificationError():
            return (
                f"the certificate of {where} is not accepted: {error.verify_message} (see mqtt.host, mqtt.tls.ca_file)"
            )
        case ssl.SSLEOFError() | ConnectionResetError():
            return explain_early_end(config)
        case ssl.SSLError():
            return f"TLS with {where} failed: {error.strerror or error}"
        case socket.gaierror():
            return f"the host name {config.host!r} cannot be resolved: {error.strerror}"
        case TimeoutError():
            return f"{where} does not answer within {CONNECT_TIMEOUT_SECONDS:.0f} s"
        case ConnectionRefusedError():
            return f"no broker listens on {where}"
        case _:
            return f"connection with {where}: {error.strerror or error}"


def explain_early_end(config: MqttConfig) -> str:
    """Say what may be wrong when the broker closed the connection before it answered."""
    hint = "does this port expect TLS?"
    if config.tls is not None:
        hint = "does this port speak TLS, and does the broker accept our certificate?"
    if config.protocol == "3.1.1":
        hint += ' does the broker take retained messages, and QoS 1? with mqtt.protocol = "5" it tells'
    else:
        hint += f" {ASK_FOR_MQTT5}"
    return f"{config.host}:{config.port} closed the connection without an answer ({hint})"


def explain_close(config: MqttConfig, unanswered: Outgoing | None) -> str:
    """Say what may be wrong when the broker closed the connection without a word.

    unanswered: the oldest message that it had not answered.
    """
    # Mosquitto 2.0 does not say it when another client takes our place
    perhaps = [f"it stopped, or another client uses client_id {config.client_id!r}"]
    if unanswered is not None:
        perhaps.append(
            f"or it does not take what was published to {unanswered.topic!r} at QoS {unanswered.qos}: see"
            " mqtt.alert_qos, mqtt.protocol, and `stream` of the source, which makes the topic"
        )
    return f"the broker closed the connection ({', '.join(perhaps)})"


def explain_refusal(reason: ReasonCode, config: MqttConfig) -> str:
    """Say why the broker refused or ended the connection, by its own reason code."""
    text = str(reason)
    match text:
        case "Bad user name or password" | "Not authorized" if config.username is None:
            return f"the broker wants a user and a password: {text} (see mqtt.username, mqtt.password_file)"
        case "Bad user name or password" | "Not authorized":
            return f"the broker refuses user {config.username!r}: {text} (see mqtt.username, mqtt.password_file)"
        case "Session taken over":
            return f"another client connected as {config.client_id!r}: {text} (give each its own mqtt.client_id)"
        case "Unsupported protocol version":
            return f"the broker does not speak MQTT {config.protocol}: {text} (see mqtt.protocol)"
        case _:
            return f"the broker says: {text}{hint_of(reason.value)}"


def _password(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return read_regular(path, MAX_SETTINGS_BYTES).decode("utf-8").rstrip("\r\n")
    except OSError as error:
        raise SettingsFileError(f"mqtt.password_file {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsFileError(f"mqtt.password_file {path}: not UTF-8 text") from None


def _tls_context(tls: TlsConfig) -> ssl.SSLContext:
    try:
        if tls.ca_file is not None:
            check_regular(tls.ca_file)
        context = ssl.create_default_context(cafile=None if tls.ca_file is None else str(tls.ca_file))
    except OSError as error:
        raise SettingsFileError(f"mqtt.tls.ca_file {tls.ca_file}: {_why(error)}") from None
    if tls.certificate_file is not None and tls.key_file is not None:
        try:
            for file in (tls.certificate_file, tls.key_file):
                check_regular(file)
            # a password, be it an empty one, keeps OpenSSL from asking for it on the terminal
            context.load_cert_chain(tls.certificate_file, tls.key_file, password="")
        except OSError as error:
            if _is_encrypted(tls.key_file):
                raise SettingsFileError(
                    f"mqtt.tls.key_file {tls.key_file}: the key is encrypted, and nobody is there to give its password:"
                    f" decrypt it (openssl pkey -in {tls.key_file.name} -out decrypted.key) and guard the file"
                ) from None
            files = f"mqtt.tls.certificate_file {tls.certificate_file}, mqtt.tls.key_file {tls.key_file}"
            raise SettingsFileError(f"{files}: {_why(error)}") from None
    return context


def _is_encrypted(key_file: Path) -> bool:
    try:
        # in the headers of both PEM layouts, and in no base64
        return b"ENCRYPTED" in read_regular(key_file, MAX_SETTINGS_BYTES)
    except OSError:
        return False


def _why(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return f"not a usable PEM file ({error.strerror or 'no certificate or key in it'})"
    return error.strerror or type(error).__name__
