"""What the operator is told when the broker cannot be reached; and that secrets stay in their files."""

import socket
import ssl
import subprocess
from pathlib import Path

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from monitor.adapters.mqtt.client import FramingClient, SettingsFileError, explain, explain_close
from monitor.adapters.mqtt.frames import FrameReader
from monitor.adapters.mqtt.inbound_session import InboundSession
from monitor.adapters.mqtt.outbound_session import OutboundSession
from monitor.adapters.mqtt.send_queue import Outgoing
from monitor.adapters.mqtt.settings import MqttConfig, TlsConfig
from tests.certificates import Authority


def client(config: MqttConfig) -> FramingClient:
    return FramingClient(config, FrameReader(True, 100, InboundSession(), OutboundSession(mqtt5=True)), persistent=True)


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n"])
def test_the_password_is_what_the_file_holds_without_its_line_end(tmp_path: Path, ending: bytes) -> None:
    config = MqttConfig(username="u", password_file=written(tmp_path / "password", b" s3cret " + ending))
    assert client(config).password == " s3cret "


def test_a_password_file_that_has_gone_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "password", b"s3cret")
    config = MqttConfig(username="u", password_file=path)
    path.unlink()
    with pytest.raises(SettingsFileError) as caught:
        client(config)
    assert str(caught.value) == f"mqtt.password_file {path}: No such file or directory"


def test_a_password_file_that_is_no_text_is_named_and_not_shown(tmp_path: Path) -> None:
    path = written(tmp_path / "password", b"s3cret\xff")
    with pytest.raises(SettingsFileError) as caught:
        client(MqttConfig(username="u", password_file=path))
    assert str(caught.value) == f"mqtt.password_file {path}: not UTF-8 text"
    assert caught.value.__cause__ is None


def test_a_key_that_is_none_is_named_and_not_shown(tmp_path: Path) -> None:
    certificate, key = written(tmp_path / "c.pem", b"no"), written(tmp_path / "k.pem", b"s3cret")
    with pytest.raises(SettingsFileError) as caught:
        client(MqttConfig(tls=TlsConfig(certificate_file=certificate, key_file=key)))
    assert f"mqtt.tls.key_file {key}: not a usable PEM file" in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "no broker listens on b:1883"),
        (TimeoutError("timed out"), "b:1883 does not answer within 5 s"),
        (socket.gaierror(-2, "Name or service not known"), "the host name 'b' cannot be resolved"),
        (ConnectionResetError(104, "reset"), "b:1883 closed the connection without an answer"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong"), "TLS with b:1883 failed"),
        (OSError(113, "No route to host"), "connection with b:1883: No route to host"),
    ],
)
def test_a_failure_to_connect_says_what_to_look_at(error: OSError, text: str) -> None:
    assert explain(error, MqttConfig(host="b")).startswith(text)


@pytest.mark.parametrize(
    ("config", "hints"),
    [
        (MqttConfig(host="b"), ["does this port expect TLS?", 'if not: mqtt.protocol = "3.1.1"']),
        (MqttConfig(host="b", tls=TlsConfig()), ["does this port speak TLS", 'if not: mqtt.protocol = "3.1.1"']),
        (MqttConfig(host="b", protocol="3.1.1"), ["does this port expect TLS?", 'with mqtt.protocol = "5" it tells']),
    ],
)
def test_a_broker_that_closes_without_an_answer_may_want_tls_or_another_protocol(
    config: MqttConfig, hints: list[str]
) -> None:
    told = explain(ConnectionResetError(104, "reset"), config)
    assert [hint for hint in hints if hint not in told] == []


def test_a_key_that_is_encrypted_is_told_as_what_it_is(tmp_path: Path) -> None:
    own = Authority(tmp_path, "me").own
    key = tmp_path / "encrypted.key"
    arguments = ("-in", own.key, "-aes256", "-passout", "pass:secret", "-out", key)
    subprocess.run(["openssl", "pkey", *map(str, arguments)], check=True, capture_output=True)
    with pytest.raises(SettingsFileError, match="the key is encrypted, and nobody is there") as caught:
        client(MqttConfig(tls=TlsConfig(certificate_file=own.certificate, key_file=key)))
    assert str(key) in str(caught.value)


@pytest.mark.parametrize("client_id", ["x", "Anlage Süd 1/öst @home", "$a+#", "日本" * 100])
def test_any_text_is_a_client_id(client_id: str) -> None:
    assert client(MqttConfig(client_id=client_id))._client_id == client_id.encode()


@pytest.mark.parametrize(
    ("client_id", "why"), [("", "at least 1"), ("a\0b", "control"), ("a\x7f", "control"), ("x" * 65_536, "bytes")]
)
def test_what_no_broker_takes_is_no_client_id(client_id: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        MqttConfig(client_id=client_id)


@pytest.mark.parametrize("topic", ["a\0b", "a\x01b", "x" * 65_500])
def test_what_no_topic_may_hold_is_no_base_topic(topic: str) -> None:
    with pytest.raises(ValueError, match="base_topic"):
        MqttConfig(base_topic=topic)
    longest = "x" * 65_000 + "/Anlage-Süd"
    assert MqttConfig(base_topic=longest).base_topic == longest


@pytest.mark.parametrize("username", ["a\0b", "x" * 65_536])
def test_what_no_packet_can_carry_is_no_user(username: str) -> None:
    with pytest.raises(ValueError, match="username"):
        MqttConfig(username=username)


def test_a_session_lasts_as_long_as_mqtt_can_say() -> None:
    longest = MqttConfig(session_expiry_seconds=2**32 - 1).session_expiry_seconds
    Properties(PacketTypes.CONNECT).SessionExpiryInterval = longest  # type: ignore[no-untyped-call]
    with pytest.raises(ValueError, match="4294967295"):
        MqttConfig(session_expiry_seconds=longest + 1)


def test_a_close_while_nothing_waits_for_an_answer_names_the_client_id() -> None:
    told = explain_close(MqttConfig(client_id="hall-7"), None)
    assert "another client uses client_id 'hall-7'" in told
    assert "alert_qos" not in told


def test_a_close_that_follows_our_own_publish_names_the_topic_and_the_settings_that_may_be_wrong() -> None:
    told = explain_close(MqttConfig(), Outgoing("residuald/a.b/alert", b"", 2, retain=False))
    assert "'residuald/a.b/alert' at QoS 2" in told
    for setting in ("mqtt.alert_qos", "mqtt.protocol", "`stream`"):
        assert setting in told
