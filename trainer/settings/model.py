"""What the autoencoder is made of: one class per family, the shape of the network and nothing about its training."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from trainer.settings.section import Count, Section

Activation = Literal["relu", "gelu"]


class DenseSettings(Section):
    """Dense autoencoder.

    hidden: widths from the input to the bottleneck, mirrored on the way back (None: scaled to the input).
    """

    family: Literal["dense"] = "dense"
    hidden: Annotated[tuple[Count, ...], Field(min_length=1, max_length=8)] | None = None
    activation: Activation = "gelu"


class ConvSettings(Section):
    """1-D convolutional autoencoder.

    features: one entry per stride-2 convolution. bottleneck: how many numbers stand for a window (None: scaled to the
        input, as in the dense family).
    """

    family: Literal["conv"] = "conv"
    features: Annotated[tuple[Count, ...], Field(min_length=1, max_length=8)] = (8, 16, 32)
    kernel_samples: Annotated[int, Field(ge=3, le=63)] = 5
    bottleneck: Count | None = None
    activation: Activation = "gelu"

    @field_validator("kernel_samples")
    @classmethod
    def _odd(cls, kernel_samples: int) -> int:
        if kernel_samples % 2 == 0:
            raise ValueError("must be odd, so that a convolution has a centre")
        return kernel_samples


class PcaSettings(Section):
    """Principal components: how many or, below 1, which fraction of the variance they must explain."""

    family: Literal["pca"] = "pca"
    components: Count | Annotated[float, Field(gt=0, lt=1)] = 0.9


ModelSettings = Annotated[DenseSettings | ConvSettings | PcaSettings, Field(discriminator="family")]
