"""How the autoencoder learns: the optimization, the loss, and what is added to it.

Loss and penalties are per number of a window, so a weight means the same for every window length.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from monitor.settings.section import Section

Loss = Literal["mse", "l1", "rmse", "huber"]
Weight = Annotated[float, Field(gt=0, le=1e6)]


class DenoisingSettings(Section):
    """Windows are disturbed before they are encoded, and must come out clean."""

    kind: Literal["gaussian", "masking"] = "gaussian"
    """`gaussian`: noise is added. `masking`: some features are set to zero."""

    level: Annotated[float, Field(gt=0, le=100)] | None = None
    """For `gaussian` the standard deviation of the noise, in units of the normalized features; for `masking` the
    fraction of features that is set to zero. Left out: 0.3 and 0.5."""

    blur_samples: Annotated[float, Field(gt=0, le=100)] | None = None
    """Every other window is blurred instead, by a Gaussian whose standard deviation is drawn between 0 and this."""

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
    """Only few numbers of the code are active at a time."""

    kind: Literal["l1", "kl"] = "kl"
    """`l1`: the mean magnitude of the code's numbers is the penalty. `kl`: the mean activity of each number over the
    windows is pulled to `target_activation`."""

    weight: Weight | None = None
    """Weight of the penalty. Left out: 0.1 for `l1`, 3 for `kl`."""

    target_activation: Annotated[float, Field(ge=0.001, le=0.5)] = 0.05
    """Mean activity that `kl` pulls to."""

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
    """Weight of the penalty."""


class VariationalSettings(Section):
    """The code is drawn from a distribution that is pulled to the standard normal one."""

    beta: Weight = 0.01
    """How strongly it is pulled: the weight of the Kullback-Leibler divergence."""


class LatentConsistencySettings(Section):
    """The reconstruction, encoded again, must give the same code."""

    weight: Weight = 0.1
    """Weight of the penalty."""


class TrainingSettings(Section):
    """The optimization (Adam, stopped early on the validation part), its loss, and what is added to the loss.

    Loss and penalties are per number of a window, so a weight means the same for every window length. The family `pca`
    takes no loss and no penalty.
    """

    max_epochs: Annotated[int, Field(ge=1, le=100_000)] = 200
    """Most passes over the training windows."""

    patience_epochs: Annotated[int, Field(ge=1, le=100_000)] = 20
    """After so many passes without a better loss of the validation part the optimization stops. The best weights are
    kept."""

    batch_windows: Annotated[int, Field(ge=1, le=65536)] = 64
    """Windows per step."""

    learning_rate: Annotated[float, Field(gt=0, le=1)] = 2e-3
    """Step size of Adam."""

    threads: Annotated[int, Field(ge=1, le=256)] = 1
    """CPU threads. More than one pays only for large models, and makes the weights depend on the number; on a busy
    machine threads that wait for each other can be a hundred times slower than one."""

    loss: Loss = "mse"
    """What the difference between features and reconstruction costs: its square, its magnitude, the root of each
    window's mean square, or `huber`."""

    huber_delta: Annotated[float, Field(gt=0, le=1e6)] = 1.0
    """From which difference on `huber` grows linearly, in units of the normalized features."""

    pretraining_epochs: Annotated[int, Field(ge=0, le=100_000)] = 0
    """For so many passes each layer of the family `dense` is trained by itself first; 0: not at all."""

    denoising: DenoisingSettings | None = None
    """Disturb windows; see `[training.denoising]`. Left out: no."""

    sparse: SparseSettings | None = None
    """Keep most of the code at rest; see `[training.sparse]`. Left out: no."""

    contractive: ContractiveSettings | None = None
    """Keep the code from changing much; see `[training.contractive]`. Left out: no."""

    variational: VariationalSettings | None = None
    """Make the code a distribution; see `[training.variational]`. Left out: no."""

    latent_consistency: LatentConsistencySettings | None = None
    """Compare codes, too; see `[training.latent_consistency]`. Left out: no."""

    @model_validator(mode="after")
    def _delta_is_of_huber(self) -> "TrainingSettings":
        if self.loss != "huber" and "huber_delta" in self.model_fields_set:
            raise ValueError('`huber_delta` belongs to loss = "huber"')
        return self
