"""Who is compared in the quality benchmark. The first one is what aims are measured by."""

from typing import Any

from benchmarks.accuracy.rows.protocol import Row
from benchmarks.accuracy.run import Detector
from trainer.settings.presets import preset

_SELECT_SECONDS = 20.0
_OF_WINDOWS = ("window.", "normalization.", "split.")

# Chosen on held-out normal images and synthetic anomalies of theirs that change the whole shape (turned, mirrored,
# warped, with a stroke too many): there it was ahead of every convolutional network that was tried.
_IMAGE: dict[str, Any] = {
    "normalization.shared": True,
    "split.cross_fit": True,  # few images: it should learn from all of them
    "model.family": "pca",
    "score.latent_weight": 1.0,
    "score.smoothing_samples": 1.5,
    "score.smoothing_axes": 2,
}
# An image comes out clean of what has learnt to clean any. Small batches make enough steps of few images, and most of
# them train. None is a stranger among them, and fitting once instead of several times pays for the training.
_RESTORER: dict[str, Any] = {
    "normalization.shared": True,
    "robust.trim": 0.0,
    "split.validation": 0.1,
    "split.calibration": 0.2,
    "split.cross_fit": False,
    "model.family": "conv2d",
    "model.features": [8, 16],
    "model.kernel_size": 5,
    "model.bottleneck": 32,
    "training.batch_windows": 8,
    "training.learning_rate": 0.004,
    "training.max_epochs": 60,
    "training.denoising.level": 1.0,
    "training.denoising.blur_samples": 2.0,
}


def _default(row: Row, recordings: int) -> dict[str, Any]:
    match row.kind:
        case "image":
            return _IMAGE
        case "spoilt_image":
            return _RESTORER
        case kind:
            return preset(kind, recordings)


def _pca(row: Row, recordings: int) -> dict[str, Any]:
    settings = {path: value for path, value in _default(row, recordings).items() if path.startswith(_OF_WINDOWS)}
    return {**settings, "model.family": "pca", "representation.kind": "raw"}


DETECTORS = (
    Detector(
        "default",
        "default",
        "`residuald-trainer fit --kind ecg` or `--kind motor`; for images PCA with Q and T² of the smoothed residual, "
        "for spoilt ones a 2-D convolutional autoencoder that learns to make them clean",
        _default,
    ),
    Detector(
        "select",
        "select",
        f"`residuald-trainer select` with the same kind and {_SELECT_SECONDS:g} s per model to choose in; one seed",
        _default,
        seeds=(0,),
        select_seconds=_SELECT_SECONDS,
        not_for=("spoilt_image",),  # it chooses who detects, not who cleans
    ),
    Detector("pca", "PCA", "principal components of the same windows, raw, 90 % of the variance", _pca, seeds=(0,)),
)
