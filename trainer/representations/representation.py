"""What every representation is to the rest of the trainer."""

from torch import Tensor, nn


class Representation(nn.Module):
    """Normalized windows to features, inside the exported module: [B, C, L] -> [B, C, F] or [B, C, H, W].

    shape: of one window's features, (C, F) or (C, H, W). levels: from which feature of a channel on they are level and
    log spread (F or H where there are none). scaled: from which one on they are standardized by their mean and spread
    over training windows; those before it are in units of the normalization.
    """

    def __init__(self, shape: tuple[int, ...], levels: int, scaled: int) -> None:
        super().__init__()
        self.shape = shape
        self.levels = levels
        self.scaled = scaled

    def forward(self, x: Tensor, centre: Tensor, scale: Tensor) -> Tensor:
        """Give the features: [B, C, F] or [B, C, H, W].

        x: float32 [B, C, L], normalized windows. centre: float32 [B, C] or [B, C, L] and scale: float32 [B, C], what
        normalized them.
        """
        raise NotImplementedError

    def restore(self, features: Tensor, centre: Tensor, scale: Tensor) -> Tensor:  # noqa: ARG002 - raw needs them
        """Give features a form that people know: raw samples in the units of the input. Others stay as they are.

        features: float32 [B, C, F] or [B, C, H, W]. centre: float32 [B, C] or [B, C, L]. scale: float32 [B, C].
        """
        return features
