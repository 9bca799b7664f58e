"""Metric families of `prometheus_client`, made from what the pipeline counts."""

from collections.abc import Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from monitor.core.values.histogram import Histogram


def gauge(name: str, text: str, value: float) -> Metric:
    """Make a gauge without labels."""
    return GaugeMetricFamily(name, text, value=float(value))


def counter(name: str, text: str, value: float) -> Metric:
    """Make a counter without labels."""
    return CounterMetricFamily(name, text, value=value)


def histograms(name: str, text: str, histograms: Mapping[str, Histogram]) -> Metric:
    """Make a histogram for each model."""
    family = HistogramMetricFamily(name, text, labels=["model"])
    for model, histogram in histograms.items():
        add_histogram(family, [model], histogram)
    return family


def add_histogram(family: HistogramMetricFamily, labels: list[str], histogram: Histogram) -> None:
    """Add a histogram under these labels."""
    bounds = (*(f"{bound:g}" for bound in histogram.bounds), "+Inf")
    family.add_metric(labels, buckets=list(zip(bounds, histogram.cumulative(), strict=True)), sum_value=histogram.sum)
