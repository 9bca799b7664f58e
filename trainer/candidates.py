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


def _candidate(name: str, family: str, representation: str, **model: Any) -> Candidate:
    return Candidate(name, {"model": {"family": family, **model}, "representation": {"kind": representation}})


# The first one is the baseline.
CANDIDATES = (
    _candidate("PCA, 90 %", "pca", "raw", components=0.9),
    _candidate("PCA, 99 %", "pca", "raw", components=0.99),
    _candidate("PCA of the spectrum", "pca", "spectrum", components=0.9),
    _candidate("PCA of the envelope spectrum", "pca", "envelope_spectrum", components=0.9),
    _candidate("dense", "dense", "raw"),
    _candidate("dense, narrow", "dense", "raw", hidden=[32, 4]),
    _candidate("dense on the spectrum", "dense", "spectrum"),
    _candidate("convolutional", "conv", "raw"),
    _candidate("dense on the envelope spectrum", "dense", "envelope_spectrum"),
    _candidate("2-D convolutional on the spectrogram", "conv2d", "spectrogram"),
    _candidate("residual", "residual", "raw"),
)
