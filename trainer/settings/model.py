"""What the autoencoder is made of: one class per family, the shape of the network and nothing about its training."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny, field_validator, model_validator

from monitor.settings.section import Count, OpenSection

Activation = Literal["relu", "gelu"]
CodeActivation = Literal["linear", "relu", "sigmoid"]
Features = Annotated[tuple[Count, ...], Field(min_length=1, max_length=8)]
KernelSize = Annotated[int, Field(ge=3, le=63)]


class FamilySettings(OpenSection):
    """The table `[model]` of one family. A subclass says which by a literal `family` with a default."""

    tag = "family"

    family: str


class NetworkSettings(FamilySettings):
    """What all families share that learn by gradient descent."""

    code_activation: CodeActivation = "linear"
    """What the numbers of the code pass through."""

    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Which fraction of each hidden layer is left out in each step of the training."""


class LayeredSettings(NetworkSettings):
    """What all families share whose network is a stack of layers."""

    activation: Activation = "gelu"
    """What the numbers of each hidden layer pass through."""

    batch_norm: bool = False
    """Normalize each hidden layer over the batch."""


class DenseSettings(LayeredSettings):
    """Dense autoencoder: layers over the whole window."""

    family: Literal["dense"] = "dense"
    """What makes it this family. A `[model]` without a family is `dense`."""

    hidden: Features | None = None
    """Widths of the layers from the input to the bottleneck, mirrored on the way back. Left out: scaled to the
    input."""

    tied_weights: bool = False
    """The decoder's weights are the encoder's, transposed."""


class ConvolutionSettings(LayeredSettings):
    """What all families share that convolve."""

    bottleneck: Count | None = None
    """How many numbers stand for a window. Left out: scaled to the input, as in the dense family."""

    @field_validator("kernel_samples", "kernel_size", check_fields=False)
    @classmethod
    def _odd(cls, kernel: int) -> int:
        if kernel % 2 == 0:
            raise ValueError("must be odd, so that a convolution has a centre")
        return kernel


class BottleneckSettings(ConvolutionSettings):
    """What all families share that can do without a dense layer."""

    fully_convolutional: bool = False
    """The last feature maps are the code, without a dense layer."""

    @model_validator(mode="after")
    def _one_bottleneck(self) -> "BottleneckSettings":
        if self.fully_convolutional and self.bottleneck is not None:
            raise ValueError("with `fully_convolutional`, the last entry of `features` is the bottleneck")
        return self


class ConvSettings(BottleneckSettings):
    """1-D convolutional autoencoder."""

    family: Literal["conv"] = "conv"
    """What makes it this family."""

    features: Features = (8, 16, 32)
    """Feature maps, one entry per halving of the time axis."""

    kernel_samples: KernelSize = 5
    """How many samples one convolution covers; odd."""


class Conv2dSettings(BottleneckSettings):
    """2-D convolutional autoencoder: spectrograms, or images (channels and samples taken as rows and columns)."""

    family: Literal["conv2d"] = "conv2d"
    """What makes it this family."""

    features: Features = (8, 16, 32)
    """Feature maps, one entry per halving of both axes."""

    kernel_size: KernelSize = 3
    """How much of either axis one convolution covers; odd."""


class ResidualSettings(ConvolutionSettings):
    """Strong encoder of residual 1-D convolutions; the decoder is the plain one of `conv`."""

    family: Literal["residual"] = "residual"
    """What makes it this family."""

    features: Features = (16, 32, 64)
    """Feature maps, one entry per halving of the time axis."""

    kernel_samples: KernelSize = 5
    """How many samples one convolution covers; odd."""

    blocks: Annotated[int, Field(ge=1, le=8)] = 2
    """Residual blocks per halving."""


class LstmSettings(NetworkSettings):
    """Recurrent autoencoder: reads the window step by step and reconstructs it backwards."""

    family: Literal["lstm"] = "lstm"
    """What makes it this family."""

    units: Annotated[int, Field(ge=1, le=1024)] = 64
    """How many numbers are carried from step to step."""

    step_samples: Count | None = None
    """How many samples a step reads at once. Left out: so many that a window has about 10 steps."""

    bottleneck: Count | None = None
    """How many numbers stand for a window. Left out: scaled to the input, as in the dense family."""


class PcaSettings(FamilySettings):
    """Principal components: the linear baseline, solved and not trained."""

    family: Literal["pca"] = "pca"
    """What makes it this family."""

    components: Count | Annotated[float, Field(gt=0, lt=1)] = 0.9
    """How many components or, below 1, which fraction of the variance they must explain."""


ModelSettings = Annotated[SerializeAsAny[FamilySettings], BeforeValidator(FamilySettings.of_its_kind)]
