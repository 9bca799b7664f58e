"""Whether the daemon does its job, as /readyz shows it."""

import time
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from monitor.adapters.mqtt.inbox import Inbox
from monitor.adapters.mqtt.link import MqttLink
from monitor.adapters.mqtt.settings import MqttConfig
from monitor.core.scoring.quality import CODES, QUALITIES, Quality, is_trusted
from monitor.core.streams.stream_table import StreamState
from monitor.daemon.health import Health
from tests.manifests import manifest_of, model_group_of


@pytest.fixture
def link(monkeypatch: pytest.MonkeyPatch) -> MqttLink:
    """A link as it looks while it is connected."""
    monkeypatch.setattr(MqttLink, "connected", property(lambda _: True))
    return MqttLink(MqttConfig(), [], Inbox(10, 1000), max_payload_bytes=100)


def reasons(link: MqttLink, monkeypatch: pytest.MonkeyPatch, after_seconds: float) -> dict[str, str]:
    pipeline = SimpleNamespace(model_groups={})
    daemon = SimpleNamespace(
        link=link, checkpointer=None, reload_succeeded=True, moved_monotonic=0.0, pipeline=pipeline
    )
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


def unjudged(*kinds: tuple[StreamState, Quality]) -> str | None:
    """What /readyz tells of streams in these states."""
    group = model_group_of(manifest_of())
    for number, (state, quality) in enumerate(kinds):
        group.open_stream(f"m{number}", {}, [[0]])
        group.streams.state[number], group.streams.quality[number] = state, CODES[quality]
    pipeline = SimpleNamespace(model_groups={"m": group})
    daemon = SimpleNamespace(link=None, checkpointer=None, reload_succeeded=True, pipeline=pipeline)
    checked = Health(cast(Any, daemon))
    checked.liveness = lambda: (True, "ok")  # type: ignore[method-assign]
    return checked.readiness().get("streams")


GOOD, NEW = (StreamState.NORMAL, Quality.GOOD), (StreamState.WARMING_UP, Quality.GOOD)
SILENT = (StreamState.WITHHELD, Quality.SILENT)


@pytest.mark.parametrize(
    "quality", [each for each in QUALITIES if each is not Quality.SILENT and not is_trusted(np.array([CODES[each]]))[0]]
)
def test_a_model_of_which_no_stream_can_be_judged_though_something_comes_is_told(quality: Quality) -> None:
    bad = StreamState.WITHHELD, quality
    assert unjudged(bad, SILENT) == (
        f"no stream of model m can be judged: {_told((quality, 1), (Quality.SILENT, 1))} (see states and log)"
    )
    assert unjudged(bad, GOOD) is None


def _told(*counts: tuple[Quality, int]) -> str:
    return ", ".join(f"{count} {quality.value}" for quality, count in sorted(counts, key=lambda each: CODES[each[0]]))


@pytest.mark.parametrize("kinds", [(), (GOOD,), (NEW,), (SILENT, SILENT), (SILENT, NEW)])
def test_streams_that_are_new_or_silent_or_well_make_nothing_unready(
    kinds: tuple[tuple[StreamState, Quality], ...],
) -> None:
    assert unjudged(*kinds) is None
