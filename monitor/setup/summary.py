"""What a setup comes to, in a few lines for a person."""

from collections.abc import Iterator

from monitor.config.model import ModelConfig
from monitor.core.artifact.manifest import Manifest
from monitor.core.sources.source import STDIN, SourceSpec
from monitor.setup.advice import advice
from monitor.setup.build import Setup
from monitor.setup.registry import Config
from monitor.setup.remembered import remembered_models

# What to know of an artifact of before channels could be masked.
NEEDS_ALL_CHANNELS = (
    "its artifact was fitted before channels could be masked: one bad channel withholds the windows that the others "
    "could judge. Fit it again"
)

# What to know of an artifact of before the trainer noted how far streams differed.
LEARNS_ANY_FAULT = (
    "its artifact does not say how far streams differed in training: a machine that is faulty from its first window on "
    "teaches its fault as normal. Fit it again"
)


def summary(setup: Setup) -> Iterator[str]:
    """Say in a few lines where telemetry comes from, what judges it, and where the results go."""
    config = setup.config
    if config.uses_broker:
        user = f"as {config.mqtt.username}" if config.mqtt.username else "anonymously"
        yield f"broker   {config.mqtt.host}:{config.mqtt.port}, MQTT {config.mqtt.protocol}{_tls(config)}, {user}"
    for source in config.source:
        yield from _source_lines(source, setup.artifacts[source.model].manifest)
    for model in config.model:
        yield from model_lines(model, setup.artifacts[model.name].manifest)
    limits = config.limits
    yield (
        f"limits   {limits.max_streams:,} streams, payloads up to {_size(limits.max_payload_bytes)}, "
        f"inbox of {limits.max_inbox_messages:,} messages or {_size(limits.max_inbox_bytes)}"
    )
    broker = f"MQTT below {config.mqtt.base_topic}/, " if config.uses_broker else ""
    yield f"output   {broker}http://{config.http.host}:{config.http.port}/metrics"
    for webhook in config.webhook:
        yield f"output   webhook {webhook.name}: {webhook.origin}"
    yield from _history_line(setup)
    yield from (f"warning  {sentence}" for sentence in advice(config))
    yield from _warnings_of_models(setup)
    yield from _waiting(setup)


def _warnings_of_models(setup: Setup) -> Iterator[str]:
    for name, artifact in setup.artifacts.items():
        if artifact.manifest.needs_all_channels:
            yield (f"warning  model {name}: {NEEDS_ALL_CHANNELS}")
        if artifact.manifest.normalization.unbounded:
            yield f"warning  model {name}: {LEARNS_ANY_FAULT}"


def _waiting(setup: Setup) -> Iterator[str]:
    for name, standing in setup.standings.items():
        if standing.candidate is not None and standing.waits:
            yield f"waits    model {name}: version {standing.candidate.version}: {'; '.join(standing.reasons)}"


def _history_line(setup: Setup) -> Iterator[str]:
    """Where samples are remembered, and of which models they are not."""
    file = setup.config.history_file
    if file is None:
        return
    kept = remembered_models(setup)
    left_out = [model.name for model in setup.config.model if model.name not in kept]
    yield f"history  {file}" + (f"; of {', '.join(left_out)} nothing is kept" if left_out else "")


def _source_lines(source: SourceSpec, manifest: Manifest) -> Iterator[str]:
    channels = ", ".join(source.channels or manifest.measured_names)
    if source.file is None:
        origin, how = source.topic, f"QoS {source.qos}"
    elif source.file == STDIN:
        origin, how = "standard input", "not journaled"
    else:
        origin, how = source.file, "goes on where it stopped"
    yield f"source   {source.name}: {origin} ({source.format.kind}, {how}) -> model {source.model}"
    yield f"         stream {source.stream_template}, channels {channels}"


def model_lines(model: ModelConfig, manifest: Manifest) -> Iterator[str]:
    """What a model is, how it sees windows and what its threshold promises."""
    period, window, judge = manifest.sample_period_seconds, manifest.window, model.judge
    channels = ", ".join(f"{channel.name} [{channel.unit or '-'}]" for channel in manifest.channels)
    yield f"model    {model.name}: version {manifest.version}, {manifest.family}, {manifest.parameters:,} parameters"
    yield f"         {channels} at {1 / period:g} Hz"
    where = "around each beat" if window.beat else f"every {window.stride} ({window.stride * period:g} s)"
    yield (
        f"         window {window.length} samples ({window.length * period:g} s) {where}, "
        f"normalization {manifest.normalization.kind}"
    )
    yield (
        f"         threshold {manifest.threshold:.4g} ({manifest.calibration.described}), "
        f"fires on {judge.k} of {judge.n}"
    )
    promised = manifest.calibration.false_alarms
    if promised is not None:
        yield f"         {promised.expectation}"
        if promised.judge != judge:
            theirs = promised.judge
            yield (
                f"         note: that holds for {theirs.k} of {theirs.n}, released after {theirs.release_windows} "
                f"windows below {theirs.release_score:g}; fit again with this judge as [calibration.judge]"
            )


def _tls(config: Config) -> str:
    return "" if config.mqtt.tls is None else " over TLS"


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:g} MiB" if size_bytes >= 2**20 else f"{size_bytes / 2**10:g} KiB"
