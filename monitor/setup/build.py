"""Building: from a configuration file to a pipeline that is ready to run. Start-up, check and reload all come here."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from monitor.adapters.engines.loader import Artifact, is_current, load_artifact
from monitor.adapters.engines.signature import Trust
from monitor.config.check import check_sources
from monitor.config.model import Config, ModelConfig, load_config
from monitor.core.alerting.command import commands_below
from monitor.core.grid.sample_grid import GridRules
from monitor.core.outputs.counters import Counters
from monitor.core.streams.model_group import ModelGroup
from monitor.core.values.discards import Discard
from monitor.errors import ArtifactError, ConfigError
from monitor.pipeline.pipeline import Pipeline, PipelineSettings, Step


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
    return equip(load_config(path), path, before)


def equip(config: Config, path: Path, before: Setup | None = None) -> Setup:
    """Load the artifacts that a configuration names; `path` is where it came from, `before` as for `load_setup`.

    Raises:
        ConfigError: with every problem of the artifacts, and of sources that do not fit them.

    """
    artifacts: dict[str, Artifact] = {}
    problems: list[str] = []
    try:
        trust = Trust(config.artifacts)
    except ArtifactError as error:
        raise ConfigError(str(path), [str(error)]) from None
    for index, model in enumerate(config.model):
        try:
            artifacts[model.name] = _load_artifact(config, model, trust, before)
        except ArtifactError as error:
            problems.append(f"model[{index}].path: {error}")
    problems += check_sources(config, {name: artifact.manifest for name, artifact in artifacts.items()})
    if problems:
        raise ConfigError(str(path), problems)
    return Setup(config, artifacts)


def _load_artifact(config: Config, model: ModelConfig, trust: Trust, before: Setup | None) -> Artifact:
    if before is not None and before.config.scoring == config.scoring and model in before.config.model:
        in_use = before.artifacts[model.name]
        if is_current(in_use, model.path, trust):
            return in_use
    return load_artifact(model.path, config.scoring, model.max_batch, trust)


def build_pipeline(
    setup: Setup,
    on_discard: Callable[[str, str, Discard], None],
    counters: Counters | None = None,
    kept: Mapping[str, ModelGroup] = MappingProxyType({}),
) -> Pipeline:
    """Make the pipeline of a setup.

    counters: where counting goes on; None: from zero. kept: model groups to go on with, by model.
    """
    config = setup.config
    return Pipeline(
        config.source,
        {
            model.name: kept.get(model.name) or build_model_group(config, model, setup.artifacts[model.name])
            for model in config.model
        },
        {name: artifact.scorer for name, artifact in setup.artifacts.items()},
        PipelineSettings(
            max_streams=config.limits.max_streams,
            max_payload_bytes=config.limits.max_payload_bytes,
            silent_after_seconds=config.timing.silent_after_seconds,
            expire_after_seconds=config.timing.expire_after_seconds,
            commands_below=config.mqtt.base_topic if config.mqtt.commands else None,
        ),
        time.monotonic,
        on_discard,
        counters,
    )


def succeed(
    pipeline: Pipeline, before: Config, after: Setup, on_discard: Callable[[str, str, Discard], None]
) -> tuple[Pipeline, Step]:
    """Make the pipeline that takes over from another, and the other's final step.

    Model groups whose settings did not change go on as they are, with their rings, phases and alerts; streams of the
    others start over. Call it with no window waiting: first step with `everything=True`.
    """
    kept = {
        model.name: pipeline.model_groups[model.name]
        for model in after.config.model
        if model.name in pipeline.model_groups
        and _of_model_group(before, model.name) == _of_model_group(after.config, model.name)
        and pipeline.model_groups[model.name].fits(after.artifacts[model.name].manifest)
    }
    final_step = pipeline.retire(pipeline.model_groups.keys() - kept.keys())
    for name, model_group in kept.items():
        model_group.adopt(after.artifacts[name].manifest, after.artifacts[name].max_batch)
    successor = build_pipeline(after, on_discard, pipeline.counters, kept)
    successor.router.inherit(pipeline.router, kept)
    successor.inherit_decoders(pipeline)
    return successor, final_step


def _of_model_group(config: Config, name: str) -> object:
    """The settings that the model group of a model is made of; where its artifact lies is not one of them."""
    (judge,) = [model.judge for model in config.model if model.name == name]
    sources = [source for source in config.source if source.model == name]
    timing = config.timing.model_dump(exclude={"silent_after_seconds", "expire_after_seconds"})
    return judge, sources, timing, config.scoring.max_delay_seconds


def build_model_group(config: Config, model: ModelConfig, artifact: Artifact) -> ModelGroup:
    """Make the empty model group of one model."""
    timing, manifest = config.timing, artifact.manifest
    period = manifest.sample_period_seconds
    in_one_piece = all(
        not source.has_channel and len(source.channels or manifest.measured_names) == len(manifest.measured_names)
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
    return ModelGroup(model.name, manifest, rules, model.judge, artifact.max_batch, config.scoring.max_delay_seconds)


def subscriptions_of(config: Config) -> list[tuple[str, int]]:
    """What the broker is asked for: topic filter and QoS."""
    topics: list[tuple[str, int]] = [
        (source.pattern.subscription, source.qos) for source in config.source if source.topic is not None
    ]
    if config.mqtt.commands:
        topics.append((commands_below(config.mqtt.base_topic).subscription, config.mqtt.alert_qos))
    return topics


def pipeline_settings_of(config: Config) -> dict[str, Any]:
    """The settings that the pipeline is made of; where an artifact lies is not one of them."""
    walk = config.model_dump(
        include={"source", "model", "scoring", "timing", "limits"}, exclude={"model": {"__all__": {"path"}}}
    )
    return walk | {"mqtt": config.mqtt.model_dump(include={"commands", "base_topic"})}


def fingerprint_of(config: Config) -> str:
    """Stands for the settings that the state of the streams depends on."""
    walk = pipeline_settings_of(config)
    del walk["scoring"], walk["mqtt"]
    for model in walk["model"]:
        del model["max_batch"]
    return hashlib.sha256(json.dumps(walk, sort_keys=True, default=str).encode()).hexdigest()
