"""`residuald check --connect`: what the broker says to our settings, by the program that is installed."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.broker import Broker, Peer, free_port, running, wait_until
from tests.forked import run_forked
from tests.repository import ROOT

pytestmark = pytest.mark.integration

PASSWORD = "correct horse"

Done = subprocess.CompletedProcess[str]
Check = Callable[..., Done]


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Broker]:
    """A Mosquitto with a user who may read `plant/#` alone, and is told so."""
    state = tmp_path / "security.json"
    subprocess.run(["mosquitto_ctrl", "dynsec", "init", str(state), "admin", PASSWORD], check=True, capture_output=True)
    plugin = next(Path("/usr/lib").rglob("mosquitto_dynamic_security.so"))
    settings = f"allow_anonymous false\nplugin {plugin}\nplugin_opt_config_file {state}"
    with running(Broker(tmp_path, settings)) as broker:
        login = ("-h", broker.host, "-p", str(broker.port), "-u", "admin", "-P", PASSWORD)
        for command in (
            ("createRole", "reader"),
            ("addRoleACL", "reader", "subscribePattern", "plant/#", "allow"),
            ("createClient", "residuald", "-p", PASSWORD),
            ("addClientRole", "residuald", "reader"),
        ):
            subprocess.run(["mosquitto_ctrl", *login, "dynsec", *command], check=True, capture_output=True)
        yield broker


@pytest.fixture
def check(tmp_path: Path) -> Check:
    (tmp_path / "password").write_text(PASSWORD)
    (tmp_path / "password").chmod(0o600)

    def run(port: int, topic: str = "plant/{bed}/ecg", extra: str = "", protocol: str = "5") -> Done:
        path = tmp_path / "monitor.toml"
        path.write_text(
            f'[mqtt]\nport = {port}\nprotocol = "{protocol}"\n{extra}\n'
            f'[[source]]\nname = "hearts"\ntopic = "{topic}"\nmodel = "ecg"\nqos = 1\nformat = {{ kind = "number" }}\n'
            f'[[model]]\nname = "ecg"\npath = "{ROOT}/configs/models/ecg"\n'
        )
        return run_forked("residuald", "check", "--config", path, "--connect")

    return run


LOGIN = 'username = "residuald"\npassword_file = "password"'


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_a_broker_that_lets_us_in_is_told_and_gets_no_trace_of_it(
    check: Check, broker: Broker, peer: Peer, protocol: str
) -> None:
    peer.listen("#")
    peer.publish("plant/7/ecg", b"1", qos=1, retain=True)
    outcome = check(broker.port, protocol=protocol)
    assert outcome.returncode == 0, outcome.stderr
    assert f"localhost:{broker.port} lets us in and grants 1 subscriptions." in outcome.stdout
    peer.publish("end", b"1", qos=1)
    wait_until(lambda: bool(peer.payloads("end")), "what was published after it")
    assert not [seen for seen in peer.seen if seen.topic.startswith("residuald/")]


def test_what_the_broker_refuses_is_exit_code_69_in_its_words(check: Check, guarded: Broker) -> None:
    assert check(guarded.port, extra=LOGIN).returncode == 0
    outcome = check(guarded.port, topic="ward/{bed}/ecg", extra=LOGIN)
    assert outcome.returncode == 69
    assert "the broker denies user 'residuald' the subscription 'ward/+/ecg': Not authorized" in outcome.stderr
    outcome = check(guarded.port)
    assert outcome.returncode == 69
    assert "the broker wants a user and a password" in outcome.stderr


def test_no_broker_is_exit_code_69(check: Check) -> None:
    port = free_port()
    outcome = check(port)
    assert outcome.returncode == 69
    assert f"no broker listens on localhost:{port}" in outcome.stderr
    assert "Traceback" not in outcome.stderr
