"""Whether the daemon does its job, as /readyz shows it."""

import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from monitor.adapters.mqtt.inbox import Inbox
from monitor.adapters.mqtt.link import MqttLink
from monitor.adapters.mqtt.settings import MqttConfig
from monitor.daemon.health import Health


@pytest.fixture
def link(monkeypatch: pytest.MonkeyPatch) -> MqttLink:
    """A link as it looks while it is connected."""
    monkeypatch.setattr(MqttLink, "connected", property(lambda _: True))
    return MqttLink(MqttConfig(), [], Inbox(10, 1000), max_payload_bytes=100)


def reasons(link: MqttLink, monkeypatch: pytest.MonkeyPatch, after_seconds: float) -> dict[str, str]:
    daemon = SimpleNamespace(link=link, checkpointer=None, reload_succeeded=True, moved_monotonic=0.0)
    checked = Health(cast(Any, daemon))
    monkeypatch.setattr(checked, "liveness", lambda: (True, "ok"))
    then = time.monotonic() + after_seconds
    with monkeypatch.context() as later:
        later.setattr("monitor.adapters.mqtt.link.time.monotonic", lambda: then)
        return checked.readiness()


def test_a_broker_that_confirms_nothing_for_a_minute_makes_the_daemon_unready(
    link: MqttLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    link.publish("residuald/m/state", b"x", 1)
    assert reasons(link, monkeypatch, 59) == {}
    (why,) = reasons(link, monkeypatch, 61).values()
    assert "does not confirm what is published: 1 messages, the oldest for 61 s" in why


def test_a_broker_that_has_confirmed_everything_is_fine_however_long_nothing_is_published(
    link: MqttLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert reasons(link, monkeypatch, 1e6) == {}


def test_the_status_line_tells_that_an_old_configuration_is_in_use_until_a_reload_succeeds(link: MqttLink) -> None:
    daemon = SimpleNamespace(link=link, pipeline=SimpleNamespace(model_groups={}), reload_succeeded=True)
    checked = Health(cast(Any, daemon))
    assert checked.status() == "connected; 0 streams, 0 firing"
    daemon.reload_succeeded = False
    assert "old configuration: the last reload failed" in checked.status()
