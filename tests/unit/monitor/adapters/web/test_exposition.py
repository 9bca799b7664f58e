"""Families by stream are written as prometheus-client would write them, whatever their names and labels hold."""

import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from monitor.adapters.web.exposition import Series, StreamMetric, expose

Parsed = dict[tuple[str, tuple[tuple[str, str], ...]], float]


class Families(Collector):
    """Whatever it was given."""

    def __init__(self, *metrics: Metric) -> None:
        self._metrics = metrics

    def describe(self) -> tuple[Metric, ...]:
        return ()

    def collect(self) -> tuple[Metric, ...]:
        return self._metrics


def registry_of(*metrics: Metric) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(Families(*metrics))
    return registry


def parsed(text: str) -> Parsed:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def text_of(*metrics: Metric) -> str:
    return "".join(expose(registry_of(*metrics)))


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from('\\"\n,={} '), max_size=8)


@given(st.lists(texts, min_size=1, max_size=20, unique=True), texts, st.data())
def test_it_says_what_prometheus_client_says(streams: list[str], model: str, data: st.DataObject) -> None:
    count = len(streams)
    sites = data.draw(st.lists(texts, min_size=count, max_size=count))
    floats = st.floats(width=32) | st.just(float("nan"))
    values = np.array(data.draw(st.lists(floats, min_size=count, max_size=count)), np.float32)
    metrics = (
        StreamMetric("residuald_a", "gauge", "A gauge.", [Series(streams, values, {"model": model})]),
        StreamMetric("residuald_b", "counter", "A counter.", [Series(streams, np.arange(count), {"model": model})]),
        StreamMetric("residuald_c", "info", "Told.", [Series(streams, values == values, {"site": sites, "of": model})]),
    )
    registry = registry_of(*metrics)
    found, wanted = parsed("".join(expose(registry))), parsed(generate_latest(registry).decode())
    assert found.keys() == wanted.keys()
    for series, value in wanted.items():
        assert np.float32(found[series]) == np.float32(value)


def test_more_streams_than_one_piece_holds_are_all_there_in_order() -> None:
    streams = [f"s{number:05}" for number in range(1234)]
    metric = StreamMetric("residuald_a", "gauge", "A.", [Series(streams, np.arange(1234.0), {})])
    lines = text_of(metric).splitlines()[2:]
    assert lines == [f'residuald_a{{stream="{name}"}} {float(number)}' for number, name in enumerate(streams)]


def test_what_is_not_known_is_left_out_with_its_labels() -> None:
    values = np.array([1.0, np.nan, 3.0])
    metric = StreamMetric("residuald_a", "gauge", "A.", [Series(["x", "y", "z"], values, {"site": ["n", "s", "w"]})])
    assert list(parsed(text_of(metric)).items()) == [
        (("residuald_a", (("site", "n"), ("stream", "x"))), 1.0),
        (("residuald_a", (("site", "w"), ("stream", "z"))), 3.0),
    ]


def test_a_family_of_no_streams_is_still_described() -> None:
    text = text_of(StreamMetric("residuald_a", "counter", "What it counts.", []))
    assert text == "# HELP residuald_a_total What it counts.\n# TYPE residuald_a_total counter\n"


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.int8, np.bool_])
def test_numbers_survive_the_way(dtype: type[np.generic]) -> None:
    values = np.array([0, 1, 1 / 3, 1e9 + 7, 1e-30], np.float64).astype(dtype)
    series = Series([str(at) for at in range(len(values))], values, {})
    found = list(parsed(text_of(StreamMetric("residuald_a", "gauge", "A.", [series]))).values())
    np.testing.assert_array_equal(np.array(found).astype(dtype), values)


def test_only_the_series_asked_for_are_exposed() -> None:
    registry = registry_of(
        StreamMetric("residuald_windows", "counter", "A.", [Series(["x"], np.ones(1), {})]),
        StreamMetric("residuald_score", "gauge", "B.", [Series(["x"], np.ones(1), {})]),
    )
    Counter("residuald_messages", "C.", registry=registry).inc()

    def asked(*names: str) -> set[str]:
        return {name for name, _ in parsed("".join(expose(registry, frozenset(names)))) if "_created" not in name}

    assert asked() == {"residuald_windows_total", "residuald_score", "residuald_messages_total"}
    assert asked("residuald_windows_total") == {"residuald_windows_total"}
    assert asked("residuald_messages_total", "residuald_score") == {"residuald_messages_total", "residuald_score"}
    assert asked("nothing") == set()


def test_promtool_finds_no_fault_with_it() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: apt install prometheus")
    text = text_of(
        StreamMetric("residuald_windows_scored", "counter", "A.", [Series(["x"], np.ones(1), {"model": 'm"\\'})]),
        StreamMetric("residuald_stream", "info", "B.", [Series(["x"], np.ones(1, np.bool_), {"site": ["n"]})]),
    )
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
