"""What the running daemon tells over HTTP: `/readyz` and `/metrics`."""

import http.client
import urllib.request
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

_TIMEOUT_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Metrics:
    """What one scrape gives: the newest score by stream, and sums over all streams."""

    scores: dict[str, float]
    windows_scored: int
    messages_received: int
    messages_discarded: int
    inference_seconds: float  # mean per batch


def is_ready(url: str) -> bool:
    """Whether the daemon at `http://host:port` says that it does its job."""
    return _get(f"{url}/readyz") is not None


def scrape(url: str) -> Metrics | None:
    """Read `/metrics`; None while the daemon does not answer."""
    text = _get(f"{url}/metrics")
    if text is None:
        return None
    sums: dict[str, float] = {}
    scores: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
            if sample.name == "residuald_window_score":
                scores[sample.labels["stream"]] = sample.value
    batches = sums.get("residuald_inference_seconds_count", 0.0)
    return Metrics(
        scores=scores,
        windows_scored=round(sums.get("residuald_windows_scored_total", 0.0)),
        messages_received=round(sums.get("residuald_messages_received_total", 0.0)),
        messages_discarded=round(sums.get("residuald_messages_discarded_total", 0.0)),
        inference_seconds=sums.get("residuald_inference_seconds_sum", 0.0) / batches if batches else 0.0,
    )


def _get(url: str) -> str | None:
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310  # http, to our own daemon
            text: str = answer.read().decode()
            return text
    except (OSError, http.client.HTTPException):  # not there yet, or not ready (503)
        return None
