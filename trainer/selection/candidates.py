"""The models that `select` tries, the cheapest ones first: what a time budget cuts off is what costs most."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Candidate:
    """Fit settings that replace whole tables of what is set otherwise."""

    name: str
    settings: dict[str, dict[str, Any]]

    @property
    def linear(self) -> bool:
        """Whether it is PCA, which is kept where nothing beats it."""
        return bool(self.settings["model"]["family"] == "pca")


def candidates_for(cut: str) -> tuple[Candidate, ...]:
    """Candidates for windows that are cut so (`WindowSettings.cut`); the first one is the baseline.

    Around beats only those that see the samples: the power of a beat's frequencies does not tell when its waves come,
    and that is what a heart's disorders change.
    """
    return tuple(each for each in _ALL if cut != "beat" or each.settings["representation"]["kind"] == "raw")


def _candidate(name: str, family: str, representation: str, score: dict[str, Any], **model: Any) -> Candidate:
    settings = {"model": {"family": family, **model}, "representation": {"kind": representation}, "score": score}
    return Candidate(name, settings)


_WHITENED = {"residual": "covariance"}
_BOTH = {"latent_weight": 1.0}  # the residual (Q) and the distance in the subspace (T squared)

_ALL = (
    _candidate("PCA", "pca", "raw", {}),
    _candidate("PCA, 99 %", "pca", "raw", {}, components=0.99),
    _candidate("PCA, Q and T²", "pca", "raw", _WHITENED | _BOTH, components=5),
    _candidate("PCA of the spectrum", "pca", "spectrum", {}),
    _candidate("PCA of the spectrum, Q and T²", "pca", "spectrum", _BOTH),
    _candidate("PCA of the envelope spectrum", "pca", "envelope_spectrum", {}),
    _candidate("dense", "dense", "raw", {}),
    _candidate("dense, whitened", "dense", "raw", _WHITENED),
    _candidate("dense, narrow", "dense", "raw", {}, hidden=[32, 4]),
    _candidate("dense on the spectrum", "dense", "spectrum", {}),
    _candidate("dense on the envelope spectrum", "dense", "envelope_spectrum", {}),
    _candidate("convolutional", "conv", "raw", {}),
    _candidate("2-D convolutional on the spectrogram", "conv2d", "spectrogram", {}),
    _candidate("residual", "residual", "raw", {}),
)
