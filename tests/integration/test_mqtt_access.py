"""Users, passwords, access rights and TLS: right ones work, wrong ones say what is wrong and where to look."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from tests.broker import Broker, Peer, running, wait_until
from tests.certificates import Authority, Pair
from tests.links import Links

pytestmark = pytest.mark.integration

BOTH_PROTOCOLS = pytest.mark.parametrize("protocol", ["3.1.1", "5"])
QUICK: dict[str, Any] = {"reconnect_ceiling_seconds": 0.2}
PASSWORD = "correct horse"


@pytest.fixture
def guarded_broker(tmp_path: Path) -> Iterator[Broker]:
    """A Mosquitto with two users; `residuald` may read `plant/#` and write its own topics."""
    passwords, rights = tmp_path / "passwords", tmp_path / "rights"
    passwords.touch(mode=0o600)
    for user in ("residuald", "sensor"):
        subprocess.run(["mosquitto_passwd", "-b", str(passwords), user, PASSWORD], check=True)
    rights.write_text(
        "user residuald\ntopic read plant/#\ntopic readwrite residuald/#\nuser sensor\ntopic readwrite #\n"
    )
    rights.chmod(0o600)
    settings = f"allow_anonymous false\npassword_file {passwords}\nacl_file {rights}"
    with running(Broker(tmp_path, settings)) as started:
        yield started


def error_of(links: Links, broker: Broker, **settings: Any) -> str:
    tap = links.start(broker, ("plant/#", 0), **QUICK, **settings)
    wait_until(lambda: tap.link.last_error is not None, "a failed attempt")
    assert not tap.link.connected
    return str(tap.link.last_error)


def secret(tmp_path: Path, content: str) -> Path:
    path = tmp_path / "secret"
    path.write_text(content)
    return path


@BOTH_PROTOCOLS
def test_the_password_comes_from_a_file_without_its_newline(
    guarded_broker: Broker, links: Links, tmp_path: Path, protocol: str
) -> None:
    password_file = secret(tmp_path, f"{PASSWORD}\n")
    access: dict[str, Any] = {"username": "residuald", "password_file": password_file, "protocol": protocol}
    tap = links.start(guarded_broker, ("plant/#", 0), **access).connected()
    sensor = Peer(guarded_broker, username="sensor", password=PASSWORD)
    sensor.publish("plant/a", b"1")
    tap.take(1)
    sensor.close()
    assert tap.payloads() == [b"1"]


@BOTH_PROTOCOLS
def test_a_wrong_password_is_told_and_never_shown(
    capfd: pytest.CaptureFixture[str], guarded_broker: Broker, links: Links, tmp_path: Path, protocol: str
) -> None:  # capfd first: links end before what they print to does
    password_file = secret(tmp_path, "wrong-and-secret")
    error = error_of(links, guarded_broker, username="residuald", password_file=password_file, protocol=protocol)
    assert error == ("the broker refuses user 'residuald': Not authorized (see mqtt.username, mqtt.password_file)")
    assert "wrong-and-secret" not in "".join(capfd.readouterr())


def test_no_user_where_one_is_needed_is_told(guarded_broker: Broker, links: Links) -> None:
    assert error_of(links, guarded_broker).startswith("the broker wants a user and a password")


def test_a_password_that_is_put_right_works_without_a_restart(
    guarded_broker: Broker, links: Links, tmp_path: Path
) -> None:
    password_file = secret(tmp_path, "wrong")
    tap = links.start(guarded_broker, ("plant/#", 0), **QUICK, username="residuald", password_file=password_file)
    wait_until(lambda: tap.link.last_error is not None, "a failed attempt")
    password_file.write_text(PASSWORD)
    tap.connected()


def test_a_denied_subscription_is_named_and_the_others_work(broker: Broker, links: Links, tmp_path: Path) -> None:
    state = tmp_path / "security.json"
    subprocess.run(["mosquitto_ctrl", "dynsec", "init", str(state), "admin", PASSWORD], check=True, capture_output=True)
    plugin = next(Path("/usr/lib").rglob("mosquitto_dynamic_security.so"))
    broker.stop()
    broker.set(f"allow_anonymous false\nplugin {plugin}\nplugin_opt_config_file {state}")
    broker.start()
    for command in (
        ("createRole", "reader"),
        ("addRoleACL", "reader", "subscribePattern", "plant/open/#", "allow"),
        ("addRoleACL", "reader", "publishClientReceive", "plant/#", "allow"),
        ("addRoleACL", "reader", "publishClientSend", "#", "allow"),
        ("createClient", "residuald", "-p", PASSWORD),
        ("addClientRole", "residuald", "reader"),
    ):
        login = ("-h", broker.host, "-p", str(broker.port), "-u", "admin", "-P", PASSWORD)
        subprocess.run(["mosquitto_ctrl", *login, "dynsec", *command], check=True, capture_output=True)
    tap = links.start(
        broker,
        ("plant/open/#", 0),
        ("plant/secret/#", 0),
        username="residuald",
        password_file=secret(tmp_path, PASSWORD),
    ).connected()
    assert tap.link.denied_topics == ("plant/secret/#",)
    assert tap.link.last_error == "the broker denies subscriptions: plant/secret/#"
    sensor = Peer(broker, username="residuald", password=PASSWORD)
    sensor.publish("plant/secret/a", b"not for us")
    sensor.publish("plant/open/a", b"for us")
    tap.take(1)
    sensor.close()
    assert tap.payloads() == [b"for us"]
    assert tap.link.reconnects == 0


def test_losing_the_place_to_another_client_is_told(broker: Broker, links: Links) -> None:
    first = links.start(broker, ("plant/#", 0)).connected()
    links.start(broker, ("plant/#", 0)).connected()
    told = "another client uses client_id 'residuald'"
    wait_until(lambda: told in str(first.link.last_error), told)


def test_a_session_that_another_client_took_and_threw_away_is_counted(broker: Broker, links: Links) -> None:
    tap = links.start(broker, ("plant/#", 1), client_id="ours", **QUICK).connected()
    assert tap.link.sessions_lost == {"taken_over": 0, "not_kept": 0}
    thief = paho.Client(CallbackAPIVersion.VERSION2, client_id="ours", clean_session=True)
    thief.connect(broker.host, broker.port)
    wait_until(lambda: thief.loop(0.1) != 0 or tap.link.reconnects > 0, "the thief is gone again")
    wait_until(lambda: tap.link.sessions_lost["not_kept"] == 1, "the loss is counted")


def test_a_session_that_was_kept_is_no_loss(persistent_broker: Broker, links: Links) -> None:
    tap = links.start(persistent_broker, ("plant/#", 1), **QUICK).connected()
    persistent_broker.stop()
    wait_until(lambda: not tap.link.connected, "disconnected")
    persistent_broker.start()
    tap.connected()
    assert tap.link.sessions_lost == {"taken_over": 0, "not_kept": 0}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "authority")


@pytest.fixture
def tls_broker(tmp_path: Path, authority: Authority) -> Iterator[Broker]:
    """A Mosquitto whose certificate is for `localhost`, and that wants one from its clients."""
    own = authority.issue("broker", "DNS:localhost")
    files = f"cafile {authority.own.certificate}\ncertfile {own.certificate}\nkeyfile {own.key}"
    with running(Broker(tmp_path, f"{files}\nrequire_certificate true\nallow_anonymous true")) as started:
        yield started


@pytest.fixture
def own(authority: Authority) -> Pair:
    return authority.issue("residuald", "DNS:residuald")


def tls(authority: Authority, pair: Pair | None) -> dict[str, object]:
    settings: dict[str, object] = {"ca_file": authority.own.certificate}
    if pair is not None:
        settings |= {"certificate_file": pair.certificate, "key_file": pair.key}
    return settings


@BOTH_PROTOCOLS
def test_tls_with_a_client_certificate_carries_messages(
    tls_broker: Broker, links: Links, authority: Authority, own: Pair, protocol: str
) -> None:
    access: dict[str, Any] = {"host": "localhost", "tls": tls(authority, own), "protocol": protocol}
    tap = links.start(tls_broker, ("plant/#", 1), **access, max_payload_bytes=1_000_000).connected()
    payloads = [bytes([number]) * (number * 1000 + 1) for number in range(100)]
    for payload in payloads:
        assert tap.link.publish("plant/echo", payload)
    tap.take(100)
    assert tap.payloads() == payloads


def test_a_broker_of_another_authority_is_refused(tls_broker: Broker, links: Links, own: Pair, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "stranger")
    error = error_of(links, tls_broker, host="localhost", tls=tls(stranger, own))
    assert error.startswith(f"the certificate of localhost:{tls_broker.port} is not accepted: ")
    assert "mqtt.tls.ca_file" in error


def test_a_certificate_for_another_host_is_refused(
    tls_broker: Broker, links: Links, authority: Authority, own: Pair
) -> None:
    error = error_of(links, tls_broker, host="127.0.0.1", tls=tls(authority, own))
    assert "IP address mismatch" in error


def test_a_missing_client_certificate_is_told(tls_broker: Broker, links: Links, authority: Authority) -> None:
    error = error_of(links, tls_broker, host="localhost", tls=tls(authority, None))
    assert "certificate" in error.lower()


def test_tls_to_a_plain_port_is_told(broker: Broker, links: Links, authority: Authority, own: Pair) -> None:
    error = error_of(links, broker, host="localhost", tls=tls(authority, own))
    assert "does this port speak TLS" in error


def test_a_plain_connection_to_a_tls_port_is_told(tls_broker: Broker, links: Links) -> None:
    assert "does this port expect TLS?" in error_of(links, tls_broker)


def test_a_ca_file_that_is_none_is_named(broker: Broker, links: Links, tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text("not a certificate")
    assert error_of(links, broker, tls={"ca_file": path}).startswith(f"mqtt.tls.ca_file {path}: ")
