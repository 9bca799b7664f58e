"""What the autoencoder is made of: one class per family, the shape of the network and nothing about its training."""

from functools import cache
from typing import Annotated, Any, ClassVar, Literal, Union

from pydantic import BeforeValidator, Field, SerializeAsAny, TypeAdapter, field_validator, model_validator

from monitor.settings.section import Count
from monitor.settings.tagged_section import TaggedSection

Activation = Literal["relu", "gelu"]
CodeActivation = Literal["linear", "relu", "sigmoid"]
Features = Annotated[tuple[Count, ...], Field(min_length=1, max_length=8)]
KernelSize = Annotated[int, Field(ge=3, le=63)]


class FamilySettings(TaggedSection):
    """The table `[model]` of one family, wherever its class stands. A subclass says which by a literal `family`."""

    tag: ClassVar[str] = "family"
    kinds: ClassVar[dict[str, type["FamilySettings"]]] = {}

    family: str


class NetworkSettings(FamilySettings):
    """What all families share that learn by gradient descent.

    code_activation: what the numbers of the code pass through. dropout: which share of each hidden layer is left out in
        each step of the training.
    """

    code_activation: CodeActivation = "linear"
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0


class LayeredSettings(NetworkSettings):
    """batch_norm: normalize each hidden layer over the batch."""

    activation: Activation = "gelu"
    batch_norm: bool = False


class DenseSettings(LayeredSettings):
    """Dense autoencoder.

    hidden: widths from the input to the bottleneck, mirrored on the way back (None: scaled to the input).
    tied_weights: the decoder's weights are the encoder's, transposed.
    """

    family: Literal["dense"] = "dense"
    hidden: Features | None = None
    tied_weights: bool = False


class ConvolutionSettings(LayeredSettings):
    """features: feature maps, one entry per halving of the axis. bottleneck: how many numbers stand for a window.

    bottleneck left out: scaled to the input, as in the dense family.
    """

    bottleneck: Count | None = None

    @field_validator("kernel_samples", "kernel_size", check_fields=False)
    @classmethod
    def _odd(cls, kernel: int) -> int:
        if kernel % 2 == 0:
            raise ValueError("must be odd, so that a convolution has a centre")
        return kernel


class BottleneckSettings(ConvolutionSettings):
    """fully_convolutional: the last feature maps are the code, without a dense layer."""

    fully_convolutional: bool = False

    @model_validator(mode="after")
    def _one_bottleneck(self) -> "BottleneckSettings":
        if self.fully_convolutional and self.bottleneck is not None:
            raise ValueError("with `fully_convolutional`, the last entry of `features` is the bottleneck")
        return self


class ConvSettings(BottleneckSettings):
    """1-D convolutional autoencoder."""

    family: Literal["conv"] = "conv"
    features: Features = (8, 16, 32)
    kernel_samples: KernelSize = 5


class Conv2dSettings(BottleneckSettings):
    """2-D convolutional autoencoder: spectrograms, or images (channels and samples taken as rows and columns)."""

    family: Literal["conv2d"] = "conv2d"
    features: Features = (8, 16, 32)
    kernel_size: KernelSize = 3


class ResidualSettings(ConvolutionSettings):
    """Strong encoder: residual 1-D convolutions, `blocks` per halving; the decoder is the plain one of `conv`."""

    family: Literal["residual"] = "residual"
    features: Features = (16, 32, 64)
    kernel_samples: KernelSize = 5
    blocks: Annotated[int, Field(ge=1, le=8)] = 2


class LstmSettings(NetworkSettings):
    """Recurrent autoencoder: `units` remember the window, step by step, and tell it backwards.

    step_samples: how many samples a step reads at once (None: so many that a window has about 10 steps).
    """

    family: Literal["lstm"] = "lstm"
    units: Annotated[int, Field(ge=1, le=1024)] = 64
    step_samples: Count | None = None
    bottleneck: Count | None = None


class PcaSettings(FamilySettings):
    """Principal components: how many or, below 1, which fraction of the variance they must explain."""

    family: Literal["pca"] = "pca"
    components: Count | Annotated[float, Field(gt=0, lt=1)] = 0.9


@cache
def _adapter_of(tables: tuple[type[FamilySettings], ...]) -> TypeAdapter[FamilySettings]:
    any_of_them: Any = Union[tables]  # noqa: UP007 - of as many classes as there are
    return TypeAdapter(Annotated[any_of_them, Field(discriminator=FamilySettings.tag)])


def _of_its_family(table: Any) -> FamilySettings:
    if isinstance(table, FamilySettings):
        return table
    return _adapter_of(tuple(FamilySettings.kinds.values())).validate_python(table)


ModelSettings = Annotated[SerializeAsAny[FamilySettings], BeforeValidator(_of_its_family)]
