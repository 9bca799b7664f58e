"""How the autoencoder learns: the optimization, the loss, and what is added to it. Numbers are per number of a window.

A penalty's weight therefore means the same for every window length.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from monitor.settings.section import Section

Loss = Literal["mse", "l1", "rmse", "huber"]
Weight = Annotated[float, Field(gt=0, le=1e6)]


class DenoisingSettings(Section):
    """Windows are disturbed before they are encoded, and must come out clean.

    level: for `gaussian` the standard deviation of the noise, in units of the normalized features; for `masking` which
        fraction of them is set to zero (None: 0.3 and 0.5).
    """

    kind: Literal["gaussian", "masking"] = "gaussian"
    level: Annotated[float, Field(gt=0, le=100)] | None = None
    blur_samples: Annotated[float, Field(gt=0, le=100)] | None = None

    @model_validator(mode="after")
    def _something_is_left(self) -> "DenoisingSettings":
        if self.kind == "masking" and self.number >= 1:
            raise ValueError("for kind `masking`, `level` is a fraction below 1, e.g. 0.5")
        return self

    @property
    def number(self) -> float:
        """The level, or the kind's default."""
        return self.level if self.level is not None else {"gaussian": 0.3, "masking": 0.5}[self.kind]


class SparseSettings(Section):
    """Few numbers of the code may be active at a time.

    l1: their mean magnitude is the penalty. kl: the mean activity of each over the windows is pulled to
        `target_activation`. weight: None: 0.1 and 3.
    """

    kind: Literal["l1", "kl"] = "kl"
    weight: Weight | None = None
    target_activation: Annotated[float, Field(ge=0.001, le=0.5)] = 0.05

    @model_validator(mode="after")
    def _target_is_of_kl(self) -> "SparseSettings":
        if self.kind == "l1" and "target_activation" in self.model_fields_set:
            raise ValueError("`target_activation` belongs to kind `kl`")
        return self

    @property
    def number(self) -> float:
        """The weight, or the kind's default."""
        return self.weight if self.weight is not None else {"l1": 0.1, "kl": 3.0}[self.kind]


class ContractiveSettings(Section):
    """The code must change little when the window does."""

    weight: Weight = 0.1


class VariationalSettings(Section):
    """The code is a distribution, pulled to the normal one by `beta`."""

    beta: Weight = 0.01


class LatentConsistencySettings(Section):
    """The reconstruction, encoded again, must give the same code."""

    weight: Weight = 0.1


class TrainingSettings(Section):
    """The optimization: Adam, stopped early on the validation part.

    loss: what the difference between features and reconstruction costs. huber_delta: from which difference on `huber`
        grows linearly, in units of the normalized features.
    pretraining_epochs: how long each layer of the family `dense` is trained by itself first (0: not).
    threads: more than one pays only for large models, and makes weights depend on it; on a busy machine threads that
        wait for each other can be a hundred times slower than one.
    """

    max_epochs: Annotated[int, Field(ge=1, le=100_000)] = 200
    patience_epochs: Annotated[int, Field(ge=1, le=100_000)] = 20
    batch_windows: Annotated[int, Field(ge=1, le=65536)] = 64
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 2e-3
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    loss: Loss = "mse"
    huber_delta: Annotated[float, Field(gt=0, le=1e6)] = 1.0
    pretraining_epochs: Annotated[int, Field(ge=0, le=100_000)] = 0
    denoising: DenoisingSettings | None = None
    sparse: SparseSettings | None = None
    contractive: ContractiveSettings | None = None
    variational: VariationalSettings | None = None
    latent_consistency: LatentConsistencySettings | None = None

    @model_validator(mode="after")
    def _delta_is_of_huber(self) -> "TrainingSettings":
        if self.loss != "huber" and "huber_delta" in self.model_fields_set:
            raise ValueError('`huber_delta` belongs to loss = "huber"')
        return self
