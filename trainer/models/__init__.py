"""Model families. A new one is a settings class, an `Autoencoder`, and a line here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from trainer.loop import History, descend
from trainer.models.autoencoder import Autoencoder
from trainer.models.conv import ConvAutoencoder
from trainer.models.dense import DenseAutoencoder
from trainer.models.pca import Pca, fit_pca


@dataclass(frozen=True, slots=True)
class Family:
    """How a family is built, `build(settings, channels, length)`, and how it learns.

    fit: `fit(model, train, validation, training_settings, seed, on_epoch) -> History`, as `trainer.loop.descend`.
    """

    build: Callable[[Any, int, int], Autoencoder]
    fit: Callable[..., History]


FAMILIES = {
    "dense": Family(DenseAutoencoder, descend),
    "conv": Family(ConvAutoencoder, descend),
    "pca": Family(Pca, fit_pca),
}
