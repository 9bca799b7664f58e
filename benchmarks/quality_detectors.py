"""Who is compared in the quality benchmark. The first one is what aims are measured by."""

from benchmarks.quality_run import Detector

# Without windows around beats, a window must begin this often (in samples) for one to lie around each beat.
_ECG = {"window.stride": 32}

DETECTORS = (
    Detector(
        "default",
        "fit",
        "`residuald-trainer fit` with its defaults",
        {"ecg": _ECG},
    ),
    Detector(
        "pca",
        "PCA",
        "principal components of the same windows, 90 % of the variance",
        {kind: {"model.family": "pca"} | (_ECG if kind == "ecg" else {}) for kind in ("ecg", "motor", "image")},
        seeds=(0,),
    ),
)
