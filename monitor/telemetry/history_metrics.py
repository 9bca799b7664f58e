"""Metrics of the history."""

from collections.abc import Iterator

from prometheus_client.core import Metric

from monitor.durability.history_keeper import HistoryKeeper
from monitor.telemetry.families import counter, gauge


def history_metrics(history: HistoryKeeper) -> Iterator[Metric]:
    """What the history holds, what it left out, and how it is."""
    state = history.state
    yield gauge("residuald_history_healthy", "1 while the history is written.", history.trouble is None)
    yield gauge("residuald_history_bytes", "Bytes of the history that hold something.", state.used_bytes)
    yield gauge("residuald_history_max_bytes", "Bound of the history.", state.max_bytes)
    yield gauge("residuald_history_stretches", "Stretches of samples in the history.", state.stretches)
    if state.oldest_seconds is not None:
        yield gauge(
            "residuald_history_oldest_timestamp_seconds",
            "Event time of the oldest sample in the history.",
            state.oldest_seconds,
        )
    yield counter("residuald_history_written_bytes", "Bytes of samples and scores written.", history.written_bytes)
    yield counter(
        "residuald_history_batches_dropped",
        "Scored batches that the history has not seen, too many waiting.",
        history.batches_dropped,
    )
    yield counter(
        "residuald_history_windows_without_samples",
        "Windows of which the history has seen the scores alone, too many samples waiting.",
        history.windows_without_samples,
    )
    yield counter(
        "residuald_history_windows_thinned",
        "Windows whose scores were left out, or lost to a disk that took nothing.",
        history.windows_thinned,
    )
    yield counter("residuald_history_moved_aside", "Damaged histories that were replaced.", history.moved_aside)
    yield counter(
        "residuald_history_processor_seconds", "Processor time of the history's thread.", history.processor_seconds
    )
