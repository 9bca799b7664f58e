"""The metrics of single streams and of their channels, of all models."""

from collections.abc import Iterator

from monitor.adapters.web.exposition import Series, StreamMetric
from monitor.core.scoring.quality import QUALITIES
from monitor.core.streams.model_group import ModelGroup
from monitor.core.streams.stream_table import StreamState
from monitor.core.values.discards import OF_MESSAGES, OF_SAMPLES
from monitor.telemetry.stream_columns import StreamColumns


def stream_metrics(model_groups: list[ModelGroup], max_channel_series: int) -> Iterator[StreamMetric]:
    """The metrics as they are now. max_channel_series: most series of `residuald_channel_error`."""
    seen = [StreamColumns.of(model_group) for model_group in model_groups]

    def by_model(column: str) -> list[Series]:
        return [Series(each.streams, getattr(each, column), {"model": each.model}) for each in seen]

    yield StreamMetric("residuald_windows_scored", "counter", "Windows scored.", by_model("windows_scored"))
    yield StreamMetric(
        "residuald_windows_anomalous", "counter", "Windows above the threshold.", by_model("windows_anomalous")
    )
    yield StreamMetric(
        "residuald_stream_alerts",
        "counter",
        "Alerts that fired, since the daemon started; 0 from the moment that the stream is known.",
        by_model("alerts_fired"),
    )
    yield StreamMetric(
        "residuald_stream_conflicts",
        "counter",
        "Messages refused because the stream of their name belongs to another topic, since the daemon started.",
        by_model("conflicts"),
    )
    yield StreamMetric(
        "residuald_reconstruction_error",
        "gauge",
        "Reconstruction error of the last scored window.",
        by_model("error"),
    )
    yield StreamMetric(
        "residuald_window_score",
        "gauge",
        "The last window's error over the threshold; above 1 is anomalous.",
        by_model("score"),
    )
    yield StreamMetric(
        "residuald_stream_masked_channels",
        "gauge",
        "Channels of the last window that could not be trusted: it was judged without them, or not at all.",
        by_model("masked_channels"),
    )
    yield StreamMetric(
        "residuald_stream_state",
        "gauge",
        "1 for the stream's state.",
        [
            Series(each.streams, each.state == code, {"model": each.model, "state": code.label})
            for each in seen
            for code in StreamState
        ],
    )
    yield StreamMetric(
        "residuald_stream_asks",
        "gauge",
        "1 while the stream's alert asks whether it is a fault or the new normal.",
        (series for each in seen for series in each.asking()),
    )
    yield StreamMetric(
        "residuald_stream_quality",
        "gauge",
        "1 for its last quality.",
        [
            Series(each.streams, each.quality == code, {"model": each.model, "quality": quality.value})
            for each in seen
            for code, quality in enumerate(QUALITIES)
        ],
    )
    yield StreamMetric(
        "residuald_last_sample_timestamp_seconds",
        "gauge",
        "Event time of the newest sample.",
        by_model("last_sample_seconds"),
    )
    yield StreamMetric(
        "residuald_stream_clock_offset_seconds",
        "gauge",
        "How far the device's clock is ahead of ours, less the least delay of its messages.",
        by_model("clock_offset_seconds"),
    )
    yield StreamMetric(
        "residuald_channel_clock_offset_seconds",
        "gauge",
        "How far the clock of a channel is ahead of those of the others, where its times are corrected by it.",
        (series for each in seen for series in each.corrected_clocks(max_channel_series)),
    )
    yield StreamMetric(
        "residuald_stream_sample_rate_hertz",
        "gauge",
        "The sampling rate as measured, of the channel that is furthest from the model's.",
        by_model("sample_rate_hertz"),
    )
    for unit, reasons in (("samples", OF_SAMPLES), ("messages", OF_MESSAGES)):
        yield StreamMetric(
            f"residuald_stream_{unit}_discarded",
            "counter",
            f"{unit.capitalize()} of a stream that were refused, by reason.",
            (series for each in seen for series in each.discards_by(reasons)),
        )
    yield StreamMetric(
        "residuald_stream",
        "info",
        "What a stream's topic says about it.",
        (series for each in seen for series in each.described()),
    )
    yield StreamMetric(
        "residuald_channel_error",
        "gauge",
        "Reconstruction error by channel.",
        _channel_errors(seen, max_channel_series),
    )


def _channel_errors(seen: list[StreamColumns], max_series: int) -> Iterator[Series]:
    left = max_series
    for each in seen:
        streams = each.streams[: left // len(each.channels)]
        left -= len(streams) * len(each.channels)
        for column, channel in enumerate(each.channels):
            yield Series(streams, each.channel_error[: len(streams), column], {"model": each.model, "channel": channel})
