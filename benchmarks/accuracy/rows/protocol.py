"""What a row of the quality benchmark is: its protocol, what it is measured by, and what it aims at."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets.converters import Arrays, ConversionError
from monitor.core.artifact.manifest import Manifest
from monitor.core.dataset.recording import Recording, WindowSet
from trainer.artifact.export import Artifact
from trainer.evaluation.evaluation import Scored

Content = Recording | WindowSet
Kind = Literal["ecg", "motor", "image", "spoilt_image"]


@dataclass(frozen=True, slots=True)
class Beats:
    """The annotated beats of a stream: times of R peaks float64 [n], labels int8 [n], 1 = anomaly."""

    peak_seconds: NDArray[np.float64]
    label: NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Task:
    """One model to fit, and the recordings that it then judges. They share no sample unless the protocol says so.

    beats: by test recording, where beats are counted.
    """

    name: str
    train: tuple[Content, ...]
    test: tuple[Content, ...]
    beats: Mapping[str, Beats] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Items:
    """What the protocol counts one by one (windows, beats, samples): score float [n], label int8 [n], 1 = anomaly."""

    score: NDArray[np.floating]
    label: NDArray[np.int8]

    @staticmethod
    def join(several: Sequence["Items"]) -> "Items":
        """Put several together."""
        return Items(np.concatenate([each.score for each in several]), np.concatenate([each.label for each in several]))


@dataclass(frozen=True, slots=True)
class Aim:
    """A figure to reach. `figure` is a key of the row's figures."""

    figure: str
    value: float
    unit: str
    at_most: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the page.

    tasks: of the folder with the data (quick: a part of them). items: what is counted in one test recording, from its
    windows and the manifest of the model that judged them. pooled: figures of all recordings' items together, by score
    (else the mean of the recordings' figures). timed: alerts and their rate have a meaning (the recordings are
    streams). settings: what the protocol itself dictates, as dotted paths of fit settings. published: what others
    reached, as text. analysis: where an aim is missed, which items, why, and what was tried. also: further figures
    of a task's model; the mean over tasks counts. picture: of what a task's model does, uint8 [H, W], for the page.
    """

    name: str
    title: str
    kind: Kind
    protocol: str
    published: str
    aims: tuple[Aim, ...]
    tasks: Callable[[Path, bool], list[Task]]
    items: Callable[[Task, Scored, Manifest], Items]
    pooled: bool
    timed: bool
    settings: Mapping[str, Any] = field(default_factory=dict)
    analysis: str = ""
    also: Callable[[Task, Artifact], dict[str, float | None]] | None = None
    picture: Callable[[Task, Artifact], NDArray[np.uint8]] | None = None


def load(folder: Path, file: str) -> Arrays:
    """Load an NPZ file.

    Raises:
        ConversionError: it is not there.

    """
    try:
        with np.load(folder / file, allow_pickle=False) as archive:
            return dict(archive)
    except OSError as error:
        raise ConversionError(f"{folder / file}: {error.strerror or error}; see --help for what --data holds") from None


def window_items(task: Task, scored: Scored, manifest: Manifest) -> Items:
    """Count windows, those withheld left out."""
    usable = scored.withheld == ""
    labels = scored.cut.labels if scored.cut.labels is not None else np.zeros(len(scored.cut), np.int8)
    return Items(scored.score[usable], labels[usable])
