"""Prometheus metrics: each is defined once, and read out of the pipeline's arrays when somebody scrapes.

Those of sources, sinks and the journal stand in `door_metrics.py`, those of single streams in `stream_metrics.py`.

Nothing is set per window, so a scrape costs what it shows and the hot path pays nothing. A value that is not known (no
window scored yet) is left out, never shown as 0.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from monitor import __version__
from monitor.adapters.artifacts.standing import Standing
from monitor.adapters.engines.loader import Artifact
from monitor.adapters.mqtt.link import MqttLink
from monitor.adapters.webhook.sink import WebhookSink
from monitor.core.alerting.decision_rule import Phase
from monitor.core.alerting.end_reason import EndReason
from monitor.core.outputs.counters import Counters
from monitor.core.streams.model_group import ModelGroup
from monitor.core.values.discards import Reason
from monitor.durability.checkpointer import Checkpointer
from monitor.durability.history_keeper import HistoryKeeper
from monitor.pipeline.intake import UNROUTED
from monitor.pipeline.pipeline import Pipeline
from monitor.telemetry.door_metrics import checkpointer_metrics, link_metrics, webhooks_metrics
from monitor.telemetry.families import add_histogram, gauge, histograms
from monitor.telemetry.history_metrics import history_metrics
from monitor.telemetry.model_metrics import model_metrics
from monitor.telemetry.stream_metrics import stream_metrics


class Observed(Protocol):
    """What is shown: the parts of the running daemon. Pipeline and artifacts change at a reload."""

    started_seconds: float
    reload_succeeded: bool
    reload_success_seconds: float

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline in use."""

    @property
    def link(self) -> MqttLink | None:
        """The link to the broker; None where the configuration names none."""

    @property
    def webhooks(self) -> Sequence[WebhookSink]:
        """The webhooks, as far as the configuration names any."""

    @property
    def checkpointer(self) -> Checkpointer | None:
        """What keeps journal and checkpoints; None where nothing is kept."""

    @property
    def history(self) -> HistoryKeeper | None:
        """What keeps the history; None where none is kept."""

    @property
    def artifacts(self) -> Mapping[str, Artifact]:
        """The artifacts in use, by model."""

    @property
    def standings(self) -> Mapping[str, Standing]:
        """How the folders of the models stand, by model."""

    @property
    def max_channel_series(self) -> int:
        """Most series of `residuald_channel_error`."""


def registry_of(observed: Observed) -> CollectorRegistry:
    """A registry of our own with everything about the daemon and its process."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    registry.register(DaemonCollector(observed))
    return registry


class DaemonCollector(Collector):
    """All `residuald_*` metrics."""

    def __init__(self, observed: Observed) -> None:
        self._observed = observed

    def describe(self) -> Iterable[Metric]:
        """Nothing ahead of time: what there is depends on the streams."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """The metrics as they are now."""
        observed = self._observed
        pipeline = observed.pipeline
        yield from _daemon(observed)
        yield from model_metrics(observed.standings)
        if observed.link is not None:
            yield from link_metrics(observed.link)
        if observed.webhooks:
            yield from webhooks_metrics(observed.webhooks)
        if observed.checkpointer is not None:
            sinks = [sink.name for sink in (observed.link, *observed.webhooks) if sink is not None]
            yield from checkpointer_metrics(observed.checkpointer, sinks)
        if observed.history is not None:
            yield from history_metrics(observed.history)
        yield from _sources(pipeline)
        yield from _counters(pipeline.counters, [source.name for source in pipeline.sources])
        model_groups = list(pipeline.model_groups.values())
        yield from _model_groups(model_groups)
        yield from stream_metrics(model_groups, observed.max_channel_series)


def _daemon(observed: Observed) -> Iterator[Metric]:
    build = InfoMetricFamily("residuald_build", "Version of the running daemon.")
    build.add_metric([], {"version": __version__})
    yield build
    yield gauge("residuald_start_time_seconds", "When the daemon started.", observed.started_seconds)
    yield gauge("residuald_config_last_reload_successful", "1 if the last (re)load worked.", observed.reload_succeeded)
    yield gauge(
        "residuald_config_last_reload_success_timestamp_seconds",
        "When the configuration in use was loaded.",
        observed.reload_success_seconds,
    )
    info = InfoMetricFamily("residuald_artifact", "The artifact in use.", labels=["model"])
    threshold = GaugeMetricFamily(
        "residuald_artifact_threshold", "Reconstruction error at a score of 1.", labels=["model"]
    )
    false_alarms = GaugeMetricFamily(
        "residuald_artifact_false_alarms_per_day",
        "False alarms per stream: `asked` is the budget, `expected` what the threshold was calibrated to.",
        labels=["model", "rate"],
    )
    for model, artifact in observed.artifacts.items():
        info.add_metric([model], {"version": artifact.manifest.version, "sha256": artifact.sha256})
        threshold.add_metric([model], artifact.manifest.threshold)
        promised = artifact.manifest.calibration.false_alarms
        if promised is not None:
            false_alarms.add_metric([model, "asked"], promised.asked_per_day)
            false_alarms.add_metric([model, "expected"], promised.expected_per_day)
    yield info
    yield threshold
    yield false_alarms


def _sources(pipeline: Pipeline) -> Iterator[Metric]:
    info = InfoMetricFamily("residuald_source", "Which model judges what a source brings.", labels=["source"])
    for source in pipeline.sources:
        info.add_metric([source.name], {"model": source.model})
    yield info
    unopened = CounterMetricFamily(
        "residuald_unopened_stream_messages_discarded",
        "Messages refused of devices that never sent one that can be used, so that they have no stream.",
        labels=["source", "stream", "reason"],
    )
    for name, refusals in list(pipeline.unopened.streams.items()):
        for reason, count in list(refusals.counts.items()):
            unopened.add_metric([refusals.source, name, reason.value], count)
    yield unopened
    yield gauge("residuald_streams_limit", "Most streams, of all models together.", pipeline.settings.max_streams)


def _counters(counters: Counters, sources: list[str]) -> Iterator[Metric]:
    received = CounterMetricFamily("residuald_messages_received", "Messages received.", labels=["source"])
    for source in (*sources, UNROUTED):
        received.add_metric([source], counters.received[source])
    yield received
    discarded = CounterMetricFamily(
        "residuald_messages_discarded", "Messages refused, by reason.", labels=["source", "reason"]
    )
    # rules look at these from the first refusal on, and no increase is seen of a series that begins with 1
    ruled = {(source, reason): 0 for source in sources for reason in (Reason.STREAM_LIMIT, Reason.STREAM_CONFLICT)}
    for (source, reason), count in (ruled | dict(list(counters.discarded.items()))).items():
        discarded.add_metric([source, reason.value], count)
    yield discarded
    commands = CounterMetricFamily(
        "residuald_commands", "Commands of operators, by what became of them.", labels=["command", "result"]
    )
    for (command, result), count in list(counters.commands.items()):
        commands.add_metric([command, result], count)
    yield commands
    steps = CounterMetricFamily("residuald_alerts", "Steps in the lives of alerts, by phase entered.", labels=["phase"])
    for phase in ("pending", "firing", "resolved"):
        steps.add_metric([phase], counters.alert_steps[phase])
    yield steps
    ends = CounterMetricFamily("residuald_alerts_resolved", "Alerts that are over, by reason.", labels=["reason"])
    for end in EndReason:
        ends.add_metric([end.value], counters.alert_ends[end.value])
    yield ends
    yield histograms("residuald_inference_seconds", "Time to score one batch.", counters.inference_seconds)
    yield histograms("residuald_batch_windows", "Windows per scored batch.", counters.batch_windows)
    end_to_end = HistogramMetricFamily("residuald_end_to_end_seconds", "From a message's arrival to its verdict.")
    add_histogram(end_to_end, [], counters.end_to_end_seconds)
    yield end_to_end


def _model_groups(model_groups: list[ModelGroup]) -> Iterator[Metric]:
    streams = GaugeMetricFamily("residuald_streams", "Streams known.", labels=["model"])
    muted = GaugeMetricFamily("residuald_muted_streams", "Streams that raise no alert for now.", labels=["model"])
    received = CounterMetricFamily("residuald_samples_received", "Samples decoded.", labels=["model"])
    discarded = CounterMetricFamily(
        "residuald_samples_discarded", "Samples refused, by reason.", labels=["model", "reason"]
    )
    withheld = CounterMetricFamily(
        "residuald_windows_withheld", "Windows without a verdict, by reason.", labels=["model", "reason"]
    )
    evicted = CounterMetricFamily(
        "residuald_streams_evicted",
        "Streams that had not given a window and made room for new ones, since the daemon started.",
        labels=["model"],
    )
    restarts = CounterMetricFamily(
        "residuald_stream_restarts", "Streams started over because their clock was set back.", labels=["model"]
    )
    unlike = GaugeMetricFamily(
        "residuald_unlike_training_streams",
        "Streams judged by the training data's centre and scale, their own being like none there.",
        labels=["model"],
    )
    remembered = GaugeMetricFamily(
        "residuald_remembered_streams", "Streams not open of which is remembered what is usual.", labels=["model"]
    )
    dropped = CounterMetricFamily(
        "residuald_remembered_streams_dropped", "Remembered streams that made room for others.", labels=["model"]
    )
    active = GaugeMetricFamily("residuald_alerts_active", "Open alerts.", labels=["phase"])
    open_alerts = {Phase.PENDING: 0, Phase.FIRING: 0}
    for model_group in model_groups:
        streams.add_metric([model_group.name], len(model_group.streams))
        evicted.add_metric([model_group.name], model_group.streams_evicted)
        muted.add_metric([model_group.name], len(model_group.mutes))
        received.add_metric([model_group.name], model_group.samples_received)
        restarts.add_metric([model_group.name], model_group.windows.grid.restarts)
        unlike.add_metric([model_group.name], int(model_group.normalizer.unlike.sum()))
        remembered.add_metric([model_group.name], len(model_group.normalizer.remembered))
        dropped.add_metric([model_group.name], model_group.normalizer.remembered.dropped)
        for reason, count in list(model_group.samples_discarded.items()):
            discarded.add_metric([model_group.name, reason.value], count)
        for why, count in list(model_group.windows_withheld.items()):
            withheld.add_metric([model_group.name, why], count)
        for phase in open_alerts:
            open_alerts[phase] += int((model_group.decision.phase == phase).sum())
    for phase, count in open_alerts.items():
        active.add_metric([phase.name.lower()], count)
    yield from (streams, evicted, muted, received, discarded, withheld, restarts, unlike, remembered, dropped, active)
