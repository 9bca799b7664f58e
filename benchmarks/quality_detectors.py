"""Who is compared in the quality benchmark. The first one is what aims are measured by."""

from typing import Any

from benchmarks.quality_rows.protocol import Row
from benchmarks.quality_run import Detector
from trainer.presets import preset

_SELECT_SECONDS = 20.0
_OF_WINDOWS = ("window.", "normalization.", "split.")


def _default(row: Row, recordings: int) -> dict[str, Any]:
    return {"model.family": "conv2d"} if row.kind == "image" else preset(row.kind, recordings)


def _pca(row: Row, recordings: int) -> dict[str, Any]:
    settings = {path: value for path, value in _default(row, recordings).items() if path.startswith(_OF_WINDOWS)}
    return {**settings, "model.family": "pca", "representation.kind": "raw"}


DETECTORS = (
    Detector(
        "default",
        "default",
        "`residuald-trainer fit --kind ecg` or `--kind motor`; for images a 2-D convolutional autoencoder",
        _default,
    ),
    Detector(
        "select",
        "select",
        f"`residuald-trainer select` with the same kind and {_SELECT_SECONDS:g} s per model to choose in; one seed",
        _default,
        seeds=(0,),
        select_seconds=_SELECT_SECONDS,
    ),
    Detector("pca", "PCA", "principal components of the same windows, raw, 90 % of the variance", _pca, seeds=(0,)),
)
