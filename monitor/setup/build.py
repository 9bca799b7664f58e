"""Building: from a configuration file to a pipeline that is ready to run. Start-up, check and reload all come here."""

import hashlib
import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from monitor.adapters.artifacts.standing import Standing, standing_of
from monitor.adapters.engines.loader import Artifact
from monitor.adapters.engines.signature import Trust
from monitor.adapters.file.source import problem_of
from monitor.config.model import ModelConfig
from monitor.core.alerting.command import commands_below
from monitor.core.grid.sample_grid import GridRules
from monitor.core.outputs.counters import Counters
from monitor.core.streams.model_group import ModelGroup
from monitor.core.values.discards import Discard
from monitor.errors import ArtifactError, ConfigError
from monitor.pipeline.pipeline import Pipeline, PipelineSettings, Step
from monitor.pipeline.pipeline_state import inherit_normals
from monitor.setup.artifact_choice import choose_artifact
from monitor.setup.config_file import load_config
from monitor.setup.registry import Config
from monitor.setup.source_check import check_sources


@dataclass(frozen=True, slots=True)
class Setup:
    """A configuration with the artifacts it names: everything that can be wrong has been checked.

    standings: how the folder of each model stands, by model.
    """

    config: Config
    artifacts: Mapping[str, Artifact]
    standings: Mapping[str, Standing] = field(default_factory=dict)


def load_setup(path: Path, before: Setup | None = None, *, secrets: bool = True) -> Setup:
    """Load a configuration and its artifacts.

    before: the setup in use. What has not changed about its artifacts is kept: to load and time a model takes a moment,
    in which a running daemon scores nothing. secrets: as for `load_config`.

    Raises:
        ConfigError: with every problem of either, by dotted path.

    """
    return equip(load_config(path, secrets=secrets), path, before)


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
            artifacts[model.name] = _artifact_of(model, config, trust, before)
        except ArtifactError as error:
            problems.append(f"model[{index}].path: {error}")
    problems += _file_problems(config)
    problems += check_sources(config, {name: artifact.manifest for name, artifact in artifacts.items()})
    if problems:
        raise ConfigError(str(path), problems)
    return Setup(config, artifacts, standings_of(config))


def standings_of(config: Config) -> dict[str, Standing]:
    """How the folders of a configuration's models stand, by model."""
    return {model.name: standing_of(model.path) for model in config.model}


def _file_problems(config: Config) -> Iterator[str]:
    for index, source in enumerate(config.source):
        problem = None if source.file is None else problem_of(source.file)
        if problem is not None:
            yield f"source[{index}].file: {problem}"
    folder = config.journal.path
    if folder is not None and folder.exists() and not folder.is_dir():
        yield f"journal.path: {folder} is a file; name a folder"
    if config.history.enabled and config.journal.folder is None:
        yield "history.enabled: it lies beside the journal, and there is none; give [journal] a path"


def _artifact_of(model: ModelConfig, config: Config, trust: Trust, before: Setup | None) -> Artifact:
    known = None
    if before is not None:
        known = next((each for each in before.config.model if (each.name, each.path) == (model.name, model.path)), None)
    if before is None or known is None:
        return choose_artifact(model, config.scoring, trust, None, keep=False)
    keep = known == model and before.config.scoring == config.scoring
    in_use = before.artifacts[model.name]
    number = _generation_of(in_use, before.standings.get(model.name))
    return choose_artifact(model, config.scoring, trust, in_use, keep=keep, in_use_number=number)


def _generation_of(artifact: Artifact, standing: Standing | None) -> int | None:
    """The number of an artifact's generation; None where it was not written down for this one."""
    generation = None if standing is None else standing.generation
    return generation.generation if generation is not None and generation.version == artifact.manifest.version else None


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
            rate_tolerance=config.timing.rate_tolerance,
            ask_after_seconds=config.timing.ask_after_seconds,
            commands_below=config.mqtt.base_topic if config.mqtt.commands else None,
        ),
        time.monotonic,
        on_discard,
        counters,
    )


def succeed(
    pipeline: Pipeline, models: Collection[str], after: Setup, on_discard: Callable[[str, str, Discard], None]
) -> tuple[Pipeline, Step]:
    """Build the pipeline for a new configuration. Returns (new pipeline, final step of the old one).

    The groups of `models`, whose settings are unchanged, keep their state where their artifact fits; for the others the
    final step resolves open alerts and clears retained states. Precondition: no window is waiting to be scored.
    """
    kept = {
        name: model_group
        for name, model_group in pipeline.model_groups.items()
        if name in models and model_group.fits(after.artifacts[name].manifest)
    }
    final_step = pipeline.retire(pipeline.model_groups.keys() - kept.keys())
    for name, model_group in kept.items():
        model_group.adopt(after.artifacts[name].manifest, after.artifacts[name].max_batch)
    successor = build_pipeline(after, on_discard, pipeline.counters, kept)
    inherit_normals(successor.model_groups, pipeline.model_groups)
    successor.router.find_streams()
    successor.inherit_decoders(pipeline)
    successor.labelling.take_over(pipeline.labelling)
    return successor, final_step


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
        max_backlog_bytes=config.limits.max_backlog_bytes,
    )
    return ModelGroup(model.name, manifest, rules, model.judge, artifact.max_batch, config.scoring.max_delay_seconds)


def subscriptions_of(config: Config) -> list[tuple[str, int]]:
    """What the broker is asked for: topic filter and QoS."""
    topics: list[tuple[str, int]] = [
        (source.pattern.subscription, source.qos) for source in config.source if source.file is None
    ]
    if config.mqtt.commands:
        topics.append((commands_below(config.mqtt.base_topic).subscription, config.mqtt.alert_qos))
    return topics


def pipeline_settings_of(config: Config) -> dict[str, Any]:
    """The settings that the pipeline is made of; where an artifact lies is not one of them."""
    walk = config.model_dump(
        include={"source", "model", "scoring", "timing", "limits"},
        exclude={"model": {"__all__": {"path", "artifact", "history"}}},
    )
    return walk | {"mqtt": config.mqtt.model_dump(include={"commands", "base_topic"})}


def fingerprint_of(config: Config) -> str:
    """Stands for the settings that the state of the streams depends on.

    What has its default is left out, so that a key that a later version brings changes no fingerprint.
    """
    kept = config.model_dump(include=_KEPT_SECTIONS, exclude=_NOT_KEPT, exclude_defaults=True)
    return _digest_of({key: section for key, section in kept.items() if section})  # nothing is left of some sections


def older_fingerprints_of(config: Config) -> tuple[str, ...]:
    """The fingerprints that older versions would give the same settings: that of commit ada64b2, with all defaults."""
    return (_digest_of(_of_ada64b2(config.model_dump(include=_KEPT_SECTIONS, exclude=_NOT_KEPT))),)


_KEPT_SECTIONS = {"source", "model", "timing", "limits"}
_NOT_KEPT: dict[str, Any] = {
    "model": {"__all__": {"path", "artifact", "history", "max_batch"}},
    "timing": {"ask_after_seconds"},
}
# All keys that these sections had in commit ada64b2, at any depth
_KEYS_OF_ADA64B2 = _KEPT_SECTIONS | {
    *("name", "topic", "format", "qos", "stream", "channels", "accept_retained"),
    *("kind", "timestamp", "timestamp_unit", "values", "rows", "fields", "separator", "time_column", "skip_lines"),
    *("encoding", "byte_order", "layout", "scale", "offset"),
    *("judge", "k", "n", "release_score", "release_windows"),
    *("jitter_samples", "lateness_seconds", "max_ahead_seconds", "silent_after_seconds", "expire_after_seconds"),
    *("max_streams", "max_inbox_messages", "max_inbox_bytes", "max_payload_bytes", "max_channel_series"),
}


def _of_ada64b2(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _of_ada64b2(each) for key, each in value.items() if key in _KEYS_OF_ADA64B2}
    return [_of_ada64b2(each) for each in value] if isinstance(value, list | tuple) else value


def _digest_of(settings: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()
