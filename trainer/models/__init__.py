"""Model families. A new one is a settings class, an `Autoencoder`, and a line here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from trainer.models.autoencoder import Autoencoder, Shape
from trainer.models.conv import Conv2dAutoencoder, ConvAutoencoder
from trainer.models.dense import DenseAutoencoder
from trainer.models.learning import learn
from trainer.models.lstm import LstmAutoencoder
from trainer.models.pca import Pca, fit_pca
from trainer.models.residual import ResidualAutoencoder
from trainer.training.loop import History


@dataclass(frozen=True, slots=True)
class Family:
    """How a family is built and how it learns.

    build: `build(settings, shape)`, shape of one window's features, (C, F) or (C, H, W).
    fit: `fit(model, train, validation, training_settings, seed, on_epoch) -> History`, on features [N, *shape].
    """

    build: Callable[[Any, Shape], Autoencoder]
    fit: Callable[..., History]


FAMILIES = {
    "dense": Family(DenseAutoencoder, learn),
    "conv": Family(ConvAutoencoder, learn),
    "conv2d": Family(Conv2dAutoencoder, learn),
    "residual": Family(ResidualAutoencoder, learn),
    "lstm": Family(LstmAutoencoder, learn),
    "pca": Family(Pca, fit_pca),
}
