"""From a configuration to a pipeline that waits for lagging channels long enough to see a window."""

from pathlib import Path
from typing import Any

import pytest

from monitor.adapters.engines.loader import Artifact
from monitor.config.timing import TimingConfig
from monitor.core.artifact.manifest import Manifest
from monitor.core.values.messages import Message, MessageBatch
from monitor.pipeline.pipeline import Moment, Pipeline
from monitor.setup.build import (
    Setup,
    build_pipeline,
    fingerprint_of,
    older_fingerprints_of,
    pipeline_settings_of,
    subscriptions_of,
)
from monitor.setup.registry import Config
from tests.manifests import MeanSquareScorer, manifest_of

START = 1_700_000_000.0
CHANNELS = ("x", "y", "z")


def pipeline_of(manifest: Manifest, *sources: dict[str, Any], **sections: Any) -> Pipeline:
    """The pipeline of a configuration with one model m."""
    model = {"name": "m", "path": "models/m"}
    config = Config.model_validate(
        {"source": [{"model": "m"} | source for source in sources], "model": [model]} | sections
    )
    artifact = Artifact(Path("models/m/1.pt"), "", manifest, MeanSquareScorer(), 32)
    return build_pipeline(Setup(config, {"m": artifact}), lambda source, topic, discard: None)


def lateness(pipeline: Pipeline) -> int:
    return pipeline.model_groups["m"].windows.grid.rules.lateness_samples


WHOLE = {"name": "all", "topic": "v/{device}", "format": {"kind": "csv"}}
BY_CHANNEL = {"name": "one", "topic": "v/{device}/{channel}", "format": {"kind": "number"}}
PART = {"name": "xy", "topic": "w/{device}", "format": {"kind": "csv"}, "channels": ["x", "y"]}


@pytest.mark.parametrize(
    ("sources", "waits"), [([WHOLE], False), ([BY_CHANNEL], True), ([PART], True), ([WHOLE, BY_CHANNEL], True)]
)
def test_streams_wait_for_lagging_channels_only_where_channels_come_apart(
    sources: list[dict[str, Any]], waits: bool
) -> None:
    assert (lateness(pipeline_of(manifest_of(CHANNELS), *sources)) > 0) == waits


def test_the_wait_is_as_long_as_configured_and_at_least_a_window() -> None:
    manifest = manifest_of(CHANNELS, length=8)  # of 0.08 s
    assert lateness(pipeline_of(manifest, BY_CHANNEL, timing={"lateness_seconds": 3.0})) == 300
    assert lateness(pipeline_of(manifest, BY_CHANNEL, timing={"lateness_seconds": 0.0})) == 8


@pytest.mark.parametrize("period", [0.1, 1.0, 10.0, 600.0])
def test_slow_sensors_on_topics_of_their_own_make_windows(period: float) -> None:
    pipeline = pipeline_of(manifest_of(CHANNELS, sample_period_seconds=period), BY_CHANNEL)
    for at in range(16):
        for nth, channel in enumerate(CHANNELS):
            now = START + at * period + nth * 0.01
            pipeline.step(MessageBatch.of([Message(f"v/d/{channel}", b"1.0", now)]), Moment(now, now))
    pipeline.step(None, Moment(now, now), everything=True)
    assert pipeline.model_groups["m"].streams.windows_scored[0] == 3
    assert not pipeline.model_groups["m"].samples_discarded


def test_blocks_longer_than_the_lateness_make_windows_too() -> None:
    source = {"name": "b", "topic": "v/{device}/{channel}", "format": {"kind": "binary", "encoding": "f32"}}
    pipeline = pipeline_of(manifest_of(CHANNELS, length=64, stride=64, sample_period_seconds=0.1), source)
    for at in range(20):  # 6 s at a time, where the lateness is 2 s
        for channel in CHANNELS:
            now = START + at * 6.0
            pipeline.step(MessageBatch.of([Message(f"v/d/{channel}", bytes(4 * 60), now)]), Moment(now, now))
    pipeline.step(None, Moment(now, now), everything=True)
    assert pipeline.model_groups["m"].streams.windows_scored[0] == 20 * 60 // 64


def config_with(**mqtt: Any) -> Config:
    return Config.model_validate(
        {"source": [{"model": "m"} | WHOLE], "model": [{"name": "m", "path": "models/m"}], "mqtt": mqtt}
    )


def test_commands_are_subscribed_to_only_when_the_configuration_says_so() -> None:
    assert subscriptions_of(config_with()) == [("v/+", 0)]
    with_commands = config_with(commands=True, base_topic="plant/one", alert_qos=1)
    assert subscriptions_of(with_commands) == [("v/+", 0), ("plant/one/+/set/+", 1)]


def test_what_was_kept_is_of_use_whether_or_not_there_are_commands() -> None:
    assert fingerprint_of(config_with()) == fingerprint_of(config_with(commands=True, base_topic="plant/one"))
    assert pipeline_settings_of(config_with()) != pipeline_settings_of(config_with(commands=True))


def test_a_key_that_a_later_version_adds_changes_no_fingerprint_while_it_has_its_default() -> None:
    class LaterTiming(TimingConfig):
        patience_seconds: float = 3.0

    class LaterConfig(Config):
        timing: LaterTiming = LaterTiming()

    table = config_with().model_dump()
    later = LaterConfig.model_validate(table)
    other = LaterConfig.model_validate(table | {"timing": {"patience_seconds": 4.0}})
    assert fingerprint_of(later) == fingerprint_of(config_with()) != fingerprint_of(other)
    assert older_fingerprints_of(later) == older_fingerprints_of(config_with())
