"""How the autoencoder learns."""

from typing import Annotated

from pydantic import Field

from trainer.settings.section import Section


class TrainingSettings(Section):
    """The optimization: Adam on the mean squared error, stopped early on the validation part.

    threads: more than one pays only for large models, and makes weights depend on it; on a busy machine threads that
        wait for each other can be a hundred times slower than one.
    """

    max_epochs: Annotated[int, Field(ge=1, le=100_000)] = 200
    patience_epochs: Annotated[int, Field(ge=1, le=100_000)] = 20
    batch_windows: Annotated[int, Field(ge=1, le=65536)] = 64
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 2e-3
    threads: Annotated[int, Field(ge=1, le=256)] = 1
