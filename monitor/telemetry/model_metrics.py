"""Metrics of models: the generation in use, and whether a candidate waits for a person."""

from collections.abc import Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily, Metric

from monitor.adapters.artifacts.standing import Standing


def model_metrics(standings: Mapping[str, Standing]) -> Iterator[Metric]:
    """The metrics of how models stand, by model."""
    generation = GaugeMetricFamily(
        "residuald_model_generation", "Counts up with each change of the version in use.", labels=["model"]
    )
    waiting = GaugeMetricFamily(
        "residuald_model_candidate_waiting",
        "1 where a version waits that is not promoted without a person.",
        labels=["model"],
    )
    for model, standing in standings.items():
        generation.add_metric([model], standing.number)
        waiting.add_metric([model], float(standing.waits))
    yield generation
    yield waiting
