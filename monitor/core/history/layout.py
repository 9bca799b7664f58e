"""Layouts: what the samples of an artifact's streams are, so that stretches need not repeat it."""

from typing import NamedTuple


class Layout(NamedTuple):
    """The layout of one version of a model. channels: the measured ones; sha256: of the artifact's file."""

    model: str
    version: str
    channels: tuple[str, ...]
    sample_period_seconds: float
    window_length: int
    sha256: str
