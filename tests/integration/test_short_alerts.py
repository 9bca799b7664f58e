"""Alerts that are over before any scrape: from MQTT through Prometheus and Alertmanager to somebody on call."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.broker import Broker, Peer, wait_until
from tests.daemon import running_daemon
from tests.machine import Machine
from tests.prometheus import SHIPPED, running_alertmanager, running_prometheus
from tests.receiver import Posted, Receiver, receiving

pytestmark = pytest.mark.integration

STREAM, FAULTS = "north.press", 2
# as shipped a short alert goes on for seven minutes
SHORTER = {"[2m]": "[4s]", "offset 2m": "offset 4s", "keep_firing_for: 5m": "keep_firing_for: 2s"}


class Press(Machine):
    """A machine that is ill for a moment: it sends the fault and the calm after it faster than anybody scrapes."""

    def be_ill_for_a_moment(self) -> None:
        self.send(12, 4.0)
        self.send(40, 1.0)


def shorter_rules(folder: Path) -> Path:
    """The shipped rules, told in seconds."""
    folder.mkdir()
    for path in (SHIPPED / "rules").glob("*.yml"):
        text = path.read_text()
        for shipped, shorter in SHORTER.items():
            text = text.replace(shipped, shorter)
        (folder / path.name).write_text(text)
    return folder


def quick_alertmanager(url: str) -> dict[str, Any]:
    """The shipped Alertmanager, which waits for nothing and tells a receiver of ours."""
    config: dict[str, Any] = yaml.safe_load((SHIPPED / "alertmanager.yml").read_text())
    config["route"] |= {"group_wait": "0s", "group_interval": "1s"}
    for receiver in config["receivers"]:
        receiver["webhook_configs"] = [{"url": f"{url}&to={receiver['name']}"}]
    return config


def told(seen: list[Posted], status: str) -> set[str]:
    """When the alerts about the press began of which the person on call was told that they have this status."""
    alerts = [alert for posted in list(seen) if "to=on_call" in posted.target for alert in posted.body["alerts"]]
    return {each["startsAt"] for each in alerts if (each["status"], each["labels"].get("stream")) == (status, STREAM)}


def test_a_person_is_called_for_each_alert_however_short(
    tmp_path: Path, broker: Broker, peer: Peer, model: Path
) -> None:
    peer.listen(f"residuald/{STREAM}/alert")
    with (
        receiving(Receiver()) as receiver,
        running_daemon(tmp_path, broker, model) as daemon,
        running_alertmanager(tmp_path, quick_alertmanager(receiver.url)) as alertmanager,
    ):
        running = daemon.event("running")
        assert running is not None
        rules = shorter_rules(tmp_path / "rules")
        with running_prometheus(tmp_path, str(running["http"]), rules, alertmanager) as prometheus:
            press = Press(peer)
            press.send(12, 1.0)
            wait_until(lambda: prometheus.query("residuald_stream_alerts_total") != [], "the stream is scraped")
            for number in range(1, FAULTS + 1):
                press.be_ill_for_a_moment()
                wait_until(lambda: len(told(receiver.seen, "firing")) == number, "the call")  # noqa: B023
                wait_until(lambda: len(told(receiver.seen, "resolved")) == number, "its end")  # noqa: B023
    phases = [json.loads(payload)["phase"] for payload in peer.payloads(f"residuald/{STREAM}/alert")]
    assert phases == FAULTS * ["pending", "firing", "resolved"]
