"""A model family as somebody would add it: its settings and its network in one file."""

import math
from typing import Annotated, Literal

from pydantic import Field
from torch import nn

from trainer.models.autoencoder import Network, Shape
from trainer.settings.model import FamilySettings


class SingleSettings(FamilySettings):
    """One layer there and one back. bottleneck: how many numbers stand for a window."""

    family: Literal["single"] = "single"
    bottleneck: Annotated[int, Field(ge=1)] = 2


class SingleLayer(Network):
    """Features of any shape, flattened, through one layer to the code and through another one back."""

    def __init__(self, settings: SingleSettings, shape: Shape) -> None:
        inputs = math.prod(shape)
        super().__init__(
            settings.model_dump(exclude={"family"}),
            shape,
            nn.Sequential(nn.Flatten(), nn.Linear(inputs, settings.bottleneck)),
            nn.Identity(),
            nn.Sequential(nn.Linear(settings.bottleneck, inputs), nn.Unflatten(1, shape)),
        )
