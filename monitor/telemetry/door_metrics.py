"""Metrics of the doors: the link to the broker, webhooks, and the store behind the checkpointer."""

from collections.abc import Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from monitor.adapters.mqtt.link import MqttLink
from monitor.adapters.mqtt.shares import COMMON_NAME
from monitor.adapters.webhook.sink import WebhookSink
from monitor.durability.checkpointer import Checkpointer
from monitor.telemetry.families import add_histogram, counter, gauge

# the reasons that are shown before anything happened; docs/metrics.md says what they mean
DROPPED = ("disk", "error", "max_bytes", "too_old")
DISCARDED = ("channels", "damaged", "disk", "normals", "rings", "settings", "too_old", "version")


def link_metrics(link: MqttLink) -> Iterator[Metric]:
    """What the link to the broker counts, and how it is."""
    inbox = link.inbox
    yield gauge("residuald_inbox_messages", "Messages waiting to be processed.", inbox.messages)
    yield gauge("residuald_inbox_bytes", "Payload bytes waiting to be processed.", inbox.bytes)
    yield counter("residuald_inbox_dropped", "QoS 0 messages dropped, the inbox being full.", inbox.dropped)
    by_share = CounterMetricFamily(
        "residuald_inbox_dropped_by_share",
        "QoS 0 messages dropped because their stream was the loudest in a full inbox.",
        labels=["share"],
    )
    for share, count in ({COMMON_NAME: 0} | inbox.dropped_by_share).items():
        by_share.add_metric([share], count)
    yield by_share
    yield gauge("residuald_mqtt_connected", "1 while connected to the broker and subscribed.", link.connected)
    yield counter("residuald_mqtt_reconnects", "Connections made after the first.", link.reconnects)
    yield gauge(
        "residuald_mqtt_unconfirmed_messages", "Messages that the broker has not confirmed yet.", link.unconfirmed
    )
    yield gauge(
        "residuald_mqtt_oldest_unconfirmed_seconds",
        "How long the oldest of them has waited.",
        link.oldest_unconfirmed_seconds,
    )
    yield counter("residuald_mqtt_publish_dropped", "Messages not published, too many waiting.", link.publish_dropped)
    lost = CounterMetricFamily(
        "residuald_mqtt_session_lost", "Sessions that the broker gave away or did not keep.", labels=["reason"]
    )
    for reason, count in link.sessions_lost.items():
        lost.add_metric([reason], count)
    yield lost
    yield counter("residuald_mqtt_publish_refused", "Messages that the broker did not take.", link.publish_refused)


def webhooks_metrics(webhooks: Sequence[WebhookSink]) -> Iterator[Metric]:
    """What webhooks count, each under its name."""
    steps = CounterMetricFamily(
        "residuald_webhook_steps", "Steps of alerts that are done, by result.", labels=["webhook", "result"]
    )
    failed = CounterMetricFamily(
        "residuald_webhook_attempts_failed", "Attempts that failed, by reason.", labels=["webhook", "reason"]
    )
    waiting = GaugeMetricFamily("residuald_webhook_steps_waiting", "Steps that wait.", labels=["webhook"])
    oldest = GaugeMetricFamily(
        "residuald_webhook_oldest_waiting_seconds", "How long the oldest step has waited.", labels=["webhook"]
    )
    for webhook in webhooks:
        name = webhook.name.removeprefix("webhook/")
        for result, count in (
            ("delivered", webhook.delivered),
            ("refused", webhook.refused),
            ("dropped", webhook.dropped),
        ):
            steps.add_metric([name, result], count)
        for reason, count in webhook.failures.items():
            failed.add_metric([name, reason.value], count)
        waiting.add_metric([name], webhook.waiting)
        oldest.add_metric([name], webhook.oldest_waiting_seconds)
    yield from (steps, failed, waiting, oldest)


def checkpointer_metrics(checkpointer: Checkpointer, sinks: Sequence[str]) -> Iterator[Metric]:
    """What journal and checkpoints count, and how they are; sinks: for which something may be given up."""
    yield gauge("residuald_journal_healthy", "1 while a crash would lose nothing.", checkpointer.trouble is None)
    yield gauge("residuald_journal_bytes", "Bytes of messages since the last checkpoint.", checkpointer.nbytes)
    yield counter("residuald_journal_messages", "Messages journaled.", checkpointer.messages_kept)
    yield gauge("residuald_journal_replayed_messages", "Messages replayed at start.", checkpointer.messages_replayed)
    yield counter("residuald_journal_moved_aside", "Damaged databases that were replaced.", checkpointer.moved_aside)
    dropped = CounterMetricFamily(
        "residuald_journal_dropped", "Messages that the journal did not keep or use, by reason.", labels=["reason"]
    )
    for reason in sorted({*DROPPED, *checkpointer.dropped}):
        dropped.add_metric([reason], checkpointer.dropped[reason])
    yield dropped
    discarded = CounterMetricFamily(
        "residuald_checkpoints_discarded", "Checkpoints not used at start, by reason.", labels=["reason"]
    )
    for reason in sorted({*DISCARDED, *checkpointer.discarded}):
        discarded.add_metric([reason], checkpointer.discarded[reason])
    yield discarded
    given_up = CounterMetricFamily(
        "residuald_deliveries_given_up",
        "Steps of alerts that waited too long or in too great number for a sink.",
        labels=["sink"],
    )
    # a rule looks at these, and no increase is seen of a series that begins with 1
    for sink, count in (dict.fromkeys(sinks, 0) | dict(list(checkpointer.given_up.items()))).items():
        given_up.add_metric([sink], count)
    yield given_up
    if checkpointer.checkpoint_seconds is not None:
        yield gauge(
            "residuald_checkpoint_timestamp_seconds",
            "When the last checkpoint was written.",
            checkpointer.checkpoint_seconds,
        )
    commits = HistogramMetricFamily("residuald_journal_commit_seconds", "Time to commit one step.")
    add_histogram(commits, [], checkpointer.commit_seconds)
    yield commits
