"""What every model family is to the rest of the trainer."""

from typing import Any

from torch import nn


class Autoencoder(nn.Module):
    """Normalized windows [B, C, L] to their reconstruction [B, C, L]."""

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__()
        self._settings = settings

    def describe(self) -> dict[str, Any]:
        """Give the family's settings, completed by what the data decided."""
        return self._settings
