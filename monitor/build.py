"""Building: from a configuration file to a pipeline that is ready to run. Start-up, check and reload all come here."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from monitor.adapters.artifact import Artifact, is_current, load_artifact
from monitor.config import Config, ModelConfig, load_config
from monitor.config_check import check_sources
from monitor.core.discards import Discard
from monitor.core.fleet import Fleet
from monitor.core.grid import GridRules
from monitor.core.topics import TopicPattern
from monitor.errors import ArtifactError, ConfigError
from monitor.pipeline import Pipeline, PipelineSettings, Tally


@dataclass(frozen=True, slots=True)
class Setup:
    """A configuration with the artifacts it names: everything that can be wrong has been checked."""

    config: Config
    artifacts: Mapping[str, Artifact]


def load_setup(path: Path, before: Setup | None = None) -> Setup:
    """Load a configuration and its artifacts.

    before: the setup in use. What has not changed about its artifacts is kept: to load and time a model takes a moment,
    in which a running daemon scores nothing.

    Raises:
        ConfigError: with every problem of either, by dotted path.

    """
    config = load_config(path)
    artifacts: dict[str, Artifact] = {}
    problems: list[str] = []
    for index, model in enumerate(config.model):
        try:
            artifacts[model.name] = _load_artifact(config, model, before)
        except ArtifactError as error:
            problems.append(f"model[{index}].path: {error}")
    problems += check_sources(config, {name: artifact.manifest for name, artifact in artifacts.items()})
    if problems:
        raise ConfigError(str(path), problems)
    return Setup(config, artifacts)


def _load_artifact(config: Config, model: ModelConfig, before: Setup | None) -> Artifact:
    if before is not None and before.config.scoring == config.scoring and model in before.config.model:
        in_use = before.artifacts[model.name]
        if is_current(in_use, model.path):
            return in_use
    return load_artifact(model.path, config.scoring, model.max_batch)


def build_pipeline(
    setup: Setup, on_discard: Callable[[str, str, Discard], None], tally: Tally | None = None
) -> Pipeline:
    """Make the pipeline of a setup; it goes on counting in `tally` if one is given."""
    config = setup.config
    return Pipeline(
        config.source,
        {model.name: build_fleet(config, model, setup.artifacts[model.name]) for model in config.model},
        {name: artifact.scorer for name, artifact in setup.artifacts.items()},
        PipelineSettings(
            max_streams=config.limits.max_streams,
            max_payload_bytes=config.limits.max_payload_bytes,
            silent_after_seconds=config.timing.silent_after_seconds,
            expire_after_seconds=config.timing.expire_after_seconds,
        ),
        time.monotonic,
        on_discard,
        tally,
    )


def build_fleet(config: Config, model: ModelConfig, artifact: Artifact) -> Fleet:
    """Make the empty fleet of one model."""
    timing, manifest = config.timing, artifact.manifest
    period = manifest.sample_period_seconds
    in_one_piece = all(
        not TopicPattern.parse(source.topic).has_channel
        and len(source.channels or manifest.channel_names) == len(manifest.channel_names)
        for source in config.source
        if source.model == model.name
    )
    rules = GridRules(
        sample_period_seconds=period,
        window_length=manifest.window.length,
        max_gap_samples=manifest.window.max_gap_samples,
        jitter_samples=timing.jitter_samples,
        # Channels that come together cannot lag behind one another, and rings stay small. Others lag by a message at
        # times, however short the lateness and slow the sensor.
        lateness_samples=0 if in_one_piece else max(round(timing.lateness_seconds / period), manifest.window.length),
        max_ahead_seconds=timing.max_ahead_seconds,
    )
    return Fleet(model.name, manifest, rules, model.judge, artifact.max_batch, config.scoring.max_delay_seconds)
