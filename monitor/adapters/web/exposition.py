"""Prometheus text of a registry, where families of thousands of streams are written many lines at a time.

prometheus-client makes an object of every series, which takes a second of processor time for 10,000 streams. Families
by stream are kept as columns here, and become objects only for who asks for `samples`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

CONTENT_TYPE = "text/plain; version=0.0.4"
_STREAMS_PER_PIECE = 500
_SUFFIXES = {"counter": "_total", "info": "_info"}
_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


@dataclass(frozen=True, slots=True)
class Series:
    """One series for each of S streams.

    streams: their names. values [S], bool, int or float; a NaN is not known and left out. labels: by label's name what
    they share, or a text for each.
    """

    streams: list[str]
    values: NDArray[Any]
    labels: Mapping[str, str | list[str]]

    def known(self) -> "Series":
        """The series without those that have no value."""
        known = ~np.isnan(self.values)
        if known.all():
            return self
        rows = np.flatnonzero(known).tolist()
        labels = {
            key: text if isinstance(text, str) else [text[at] for at in rows] for key, text in self.labels.items()
        }
        return Series([self.streams[at] for at in rows], self.values[known], labels)

    def labels_of(self, row: int) -> dict[str, str]:
        """The labels of one stream, besides its name."""
        return {key: text if isinstance(text, str) else text[row] for key, text in self.labels.items()}


class StreamMetric(Metric):
    """A family with series by stream. kind: `counter`, `gauge` or `info`."""

    def __init__(self, name: str, kind: str, documentation: str, series: Iterable[Series]) -> None:
        super().__init__(name, documentation, kind)
        self.series = tuple(series)
        del self.samples  # made when somebody asks

    @property
    def series_name(self) -> str:
        """What its series are called."""
        return self.name + _SUFFIXES.get(self.type, "")

    @cached_property
    def samples(self) -> list[Sample]:  # type: ignore[override] # nobody writes to a family that is exposed
        """The series one by one, as prometheus-client has them."""
        return [
            Sample(self.series_name, {"stream": stream, **series.labels_of(at)}, float(series.values[at]))
            for series in map(Series.known, self.series)
            for at, stream in enumerate(series.streams)
        ]

    def text(self) -> Iterator[str]:
        """The lines of the family, many at a time."""
        kind = "gauge" if self.type == "info" else self.type
        yield f"# HELP {self.series_name} {self.documentation}\n# TYPE {self.series_name} {kind}\n"
        for series in map(Series.known, self.series):
            head = f'{self.series_name}{{stream="'
            tail, names = '"', _escaped(series.streams)
            for label, text in series.labels.items():
                if isinstance(text, str):
                    tail += f',{label}="{text.translate(_ESCAPES)}"'
                else:
                    names = [f'{name}",{label}="{each}' for name, each in zip(names, _escaped(text), strict=True)]
            tail += "} "
            for at in range(0, len(names), _STREAMS_PER_PIECE):
                piece = slice(at, at + _STREAMS_PER_PIECE)
                pairs = zip(names[piece], _numbers(series.values[piece]), strict=True)
                yield "".join([f"{head}{name}{tail}{number}\n" for name, number in pairs])


def expose(registry: CollectorRegistry, names: frozenset[str] = frozenset()) -> Iterator[str]:
    """The registry's metrics, in pieces. names: of the series wanted; all if empty."""
    for metric in registry.collect():
        if isinstance(metric, StreamMetric):
            if not names or metric.series_name in names:
                yield from metric.text()
        elif not names or any(sample.name in names for sample in metric.samples):
            yield generate_latest(_Only(metric)).decode()


class _Only(Collector):
    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterable[Metric]:
        return (self._metric,)


def _escaped(names: list[str]) -> list[str]:
    together = "".join(names)
    if not any(chr(special) in together for special in _ESCAPES):
        return names  # as good as always: the router admits only safe names
    return [name.translate(_ESCAPES) for name in names]


def _numbers(values: NDArray[Any]) -> Iterable[str]:
    if values.dtype.kind in "bi":
        return map(str, values.astype(np.int64).tolist())
    if values.dtype == np.float32:
        return [f"{value:.9g}" for value in values.tolist()]  # so many digits tell every float32 apart
    return map(repr, values.tolist())
