"""What the daemon shows: never a secret of its own, and never a line, label, path or topic that a stranger made up."""

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest
from prometheus_client.parser import text_string_to_metric_families

from monitor.core.values.names import is_name
from tests.broker import Broker, Peer, running, wait_until
from tests.certificates import Authority
from tests.daemon import Daemon, config_text
from tests.forked import run_forked

pytestmark = pytest.mark.integration

PASSWORD = "hunter2-mqtt"
WEB_PASSWORD = "hunter2-web"
HOSTILE_LEVELS = [
    'press"} 1\nresiduald_forged_total 7',
    'press",stream="forged',
    "press\r\n2026-01-01T00:00:00Z [error] forged",
    '{"event": "forged", "level": "critical"}',
    "\x1b[31mforged\x1b[0m",
    "..",
    "../../etc/passwd",
    "%2e%2e",
    "press status",
    "\u202egorf",
    "\x7f\x80forged",
    "a" * 300,
    "$SYS",
    "",
]


@pytest.fixture
def guarded_broker(tmp_path: Path) -> Iterator[Broker]:
    passwords = tmp_path / "passwords"
    passwords.touch(mode=0o600)
    subprocess.run(["mosquitto_passwd", "-b", str(passwords), "residuald", PASSWORD], check=True)
    with running(Broker(tmp_path, f"allow_anonymous false\npassword_file {passwords}")) as started:
        yield started


def test_no_secret_is_ever_shown_in_logs_answers_topics_or_messages_of_check(
    tmp_path: Path, guarded_broker: Broker, model: Path
) -> None:
    hash_ = bcrypt.hashpw(WEB_PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    pair = Authority(tmp_path, "authority").issue("client", "DNS:client")
    (tmp_path / "password").write_text(PASSWORD)
    mqtt = 'username = "residuald"\npassword_file = "password"'
    # the broker speaks no TLS: the last reload makes every attempt to connect fail, private key at hand
    tls = f'\ntls = {{ certificate_file = "{pair.certificate}", key_file = "{pair.key}" }}'
    users = f'\n[web.basic_auth_users]\nprometheus = "{hash_}"\n'
    config = tmp_path / "monitor.toml"
    config.write_text(
        config_text(guarded_broker.port, model, mqtt=mqtt).replace('"json"', '"json"\nlevel = "debug"', 1)
    )
    daemon = Daemon(config)
    peer = Peer(guarded_broker, username="residuald", password=PASSWORD)
    shown = ""
    try:
        daemon.wait_connected()
        peer.listen("residuald/#")
        shown += daemon.get("/metrics")[1] + daemon.get("/readyz")[1]
        # wrong in every place that is near a secret
        config.write_text(
            config_text(guarded_broker.port, model, mqtt=f'{mqtt}\npassword = "{PASSWORD}"')
            + f'\n[web.basic_auth_users]\nprometheus = "{WEB_PASSWORD}"\ngrafana = ["{WEB_PASSWORD}"]\n'
        )
        check = run_forked("residuald", "check", "--config", config)
        assert check.returncode == 78
        shown += check.stdout + check.stderr
        daemon.process.send_signal(signal.SIGHUP)
        wait_until(lambda: daemon.value("residuald_config_last_reload_successful") == 0, "the reload fails")
        shown += daemon.get("/metrics")[1] + daemon.get("/readyz")[1]
        config.write_text(config_text(guarded_broker.port, model, mqtt=mqtt + tls) + users)
        wait_until(lambda: daemon.get("/metrics")[0] == 401, "users are asked for")
        wait_until(lambda: daemon.event("no broker connection") is not None, "TLS fails")
    finally:
        daemon.process.send_signal(signal.SIGABRT)  # as systemd's watchdog: every thread's stack is written
        daemon.process.wait()
        peer.close()
    shown += daemon.log_file.read_text() + "".join(str(seen) for seen in peer.seen)
    assert "Current thread" in shown
    key_lines = pair.key.read_text().splitlines()[1:-1]
    for secret in (PASSWORD, WEB_PASSWORD, "hunter2", hash_, hash_[7:], *key_lines):
        assert secret not in shown


def test_topics_and_payloads_inject_nothing(tmp_path: Path, broker: Broker, peer: Peer, model: Path) -> None:
    config = tmp_path / "monitor.toml"
    # {site} becomes a label whatever it is; only {device} must make a name
    text = config_text(broker.port, model).replace('model = "hum"\nqos', 'model = "hum"\nstream = "{device}"\nqos')
    config.write_text(text)
    daemon = Daemon(config)
    try:
        daemon.wait_connected()
        peer.listen("residuald/#")
        before = sorted(path.name for path in tmp_path.iterdir())
        topics = [f"plant/{place}/hum" for level in HOSTILE_LEVELS for place in (f"{level}/d", f"north/{level}")]
        # Mosquitto itself ends connections for control characters in topics
        topics = [topic for topic in topics if topic.isprintable() and topic.count("/") == 3]
        for topic in topics:
            peer.publish(topic, topic.encode() + b'{"ts": "\x1b[2J\nforged", "rows": [[1, 2]]}', qos=1)
            peer.publish(topic, b'{"ts": 1, "rows": [[1, 2]]}', qos=1)

        def counted() -> float:
            found = daemon.metrics()
            return sum(value for (name, _), value in found.items() if name == "residuald_messages_received_total")

        wait_until(lambda: counted() == 2 * len(topics), "all were looked at")
        metrics = daemon.get("/metrics")[1]
        assert not [line for line in metrics.splitlines() if line.startswith("residuald_forged")]
        for family in text_string_to_metric_families(metrics):
            for sample in family.samples:
                assert is_name(sample.labels.get("stream", "none"))
    finally:
        daemon.stop()
    for line in daemon.log_file.read_text().splitlines():
        entry = json.loads(line)  # one JSON object per line, and none that we did not write
        assert entry["event"] != "forged"
        assert line.isprintable()
    for seen in peer.seen:
        parts = seen.topic.split("/")
        assert parts[0] == "residuald"
        of_itself = seen.topic in ("residuald/status", "residuald/model/hum/state")
        assert of_itself or (len(parts) == 3 and is_name(parts[1]))
    assert sorted(path.name for path in tmp_path.iterdir()) == before
