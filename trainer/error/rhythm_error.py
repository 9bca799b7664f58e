"""The rhythm's part of the error: how unusual the interval before a beat is, beside the shape of the beat.

A model that is shown an interval learns to reconstruct any, so intervals do not go through it: their error is the
square of the normalized value, the distance from the stream's usual one.
"""

from typing import Final

import torch
from torch import Tensor, nn

from trainer.error.error_definition import ErrorDefinition
from trainer.models.autoencoder import Autoencoder

# One standard deviation of an interval counts half as much as all that a normal beat's shape is off by: among the
# records of MIT-BIH DS1 anything from 0.3 to 1 tells beats apart equally well.
WEIGHT = 0.5


class NoRhythm(nn.Module):
    """All channels went through the model."""

    def forward(self, x: Tensor, channel_error: Tensor) -> Tensor:  # noqa: ARG002 - the other one needs them
        """Give the channel error unchanged.

        x: float32 [B, C, L], normalized windows. channel_error: float32 [B, C'], of the measured channels.
        """
        return channel_error


class RhythmError(nn.Module):
    """Errors of the derived channels, behind those of the measured ones."""

    measured: Final[int]
    factor: Tensor

    def __init__(self, measured: int, factor: float) -> None:
        super().__init__()
        self.measured = measured
        self.register_buffer("factor", torch.tensor(factor, dtype=torch.float32))

    def forward(self, x: Tensor, channel_error: Tensor) -> Tensor:
        """Give the channel error of all channels: [B, C].

        x: float32 [B, C, L], normalized windows. channel_error: float32 [B, C'], of the measured channels.
        """
        distance = x[:, self.measured :].square().mean(dim=2)
        return torch.cat([channel_error, self.factor * distance], dim=1)


@torch.inference_mode()
def fit_rhythm_error(
    measured: int, model: Autoencoder, error_definition: ErrorDefinition, validation: Tensor
) -> RhythmError:
    """Weigh the rhythm against the error of normal beats' shapes. validation: float32 [N, *shape], features."""
    code = model.encode(validation)
    error, _ = error_definition(validation, model.decode(code), code)
    return RhythmError(measured, WEIGHT * float(error.median()))
