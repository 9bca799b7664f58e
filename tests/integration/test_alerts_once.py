"""Each step of an alert reaches a subscriber exactly once, at whatever moment of its delivery the daemon is killed."""

import json
import signal
from itertools import cycle
from pathlib import Path

import pytest

from tests.broker import PATIENCE_SECONDS, Broker, Peer, wait_until
from tests.daemon import Daemon, SabotagedDaemon, config_text
from tests.machine import Machine

pytestmark = pytest.mark.integration

STREAM = "north.press"

# The process kills itself once: `die` does it when its argument is true and it has not been done in an earlier life.
ONCE = """
import os, signal
from monitor.adapters.mqtt.link import MqttLink
from monitor.adapters.mqtt.connection import Connection
from monitor.adapters.mqtt.outbound_session import PUBCOMP, PUBREC, OutboundSession
def die(now):
    if now and not os.path.exists(os.environ["KILLED"]):
        open(os.environ["KILLED"], "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
def after(owner, name, when):
    real = getattr(owner, name)
    def wrapped(self, *args, **kwargs):
        result = real(self, *args, **kwargs)
        die(when(self, *args, **kwargs))
        return result
    setattr(owner, name, wrapped)
def before(owner, name, when):
    real = getattr(owner, name)
    def wrapped(self, *args, **kwargs):
        die(when(self, *args, **kwargs))
        return real(self, *args, **kwargs)
    setattr(owner, name, wrapped)
def in_flight(connection, released):
    sent = connection._traffic.outbound._sent.values()
    return any(each.message.qos == 2 and each.message.released == released for each in sent)
"""
MOMENTS = {
    "committed, not published": "before(MqttLink, 'deliver', lambda link, message: True)",
    "published": "after(Connection, '_hand_over', lambda self, *_: in_flight(self, released=False))",
    "received, not noted": "before(OutboundSession, 'answered', lambda self, kind, *_: kind == PUBREC)",
    "noted, not released": "before(MqttLink, 'committed', lambda self, keys: bool(keys))",
    "released": "after(Connection, '_hand_over', lambda self, *_: in_flight(self, released=True))",
    "delivered, not noted": "before(OutboundSession, 'answered', lambda self, kind, *_: kind == PUBCOMP)",
}


def steps(peer: Peer) -> list[tuple[str, str]]:
    told = [json.loads(payload) for payload in peer.payloads(f"residuald/{STREAM}/alert")]
    return [(step["id"], step["phase"]) for step in told]


@pytest.mark.parametrize(("moment", "protocol"), list(zip(MOMENTS, cycle(["5", "3.1.1"]), strict=False)))
def test_a_kill_in_the_midst_of_a_delivery_makes_no_step_be_said_twice_or_never(
    tmp_path: Path, persistent_broker: Broker, model: Path, moment: str, protocol: str
) -> None:
    config, killed = tmp_path / "monitor.toml", tmp_path / "killed"
    mqtt = f'protocol = "{protocol}"\nreconnect_ceiling_seconds = 0.5'
    config.write_text(
        config_text(persistent_broker.port, model, extra=f'[journal]\npath = "{tmp_path}/kept"', mqtt=mqtt)
    )
    peer = Peer(persistent_broker)
    peer.listen("residuald/#")
    daemon: Daemon = SabotagedDaemon(config, ONCE + MOMENTS[moment], KILLED=str(killed))
    try:
        daemon.wait_connected()
        press = Machine(peer)
        press.send(12, 1.0)
        press.send(12, 4.0)
        assert daemon.process.wait(PATIENCE_SECONDS) == -signal.SIGKILL
        daemon = Daemon(config).wait_connected()
        press.send(40, 1.0)
        wait_until(lambda: "resolved" in [phase for _, phase in steps(peer)], "the alert is over")
        wait_until(lambda: daemon.value("residuald_messages_received_total", source="machines") == 64, "all is walked")
    finally:
        daemon.stop()  # which waits for what is still to be delivered
        peer.close()
    assert [phase for _, phase in steps(peer)] == ["pending", "firing", "resolved"]
    assert len({alert for alert, _ in steps(peer)}) == 1
