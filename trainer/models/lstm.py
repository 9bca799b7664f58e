"""The recurrent autoencoder: one LSTM reads the window and ends with the code, another tells the window from it.

After Malhotra et al., "LSTM-based encoder-decoder for multi-sensor anomaly detection" (2016): the window is told
backwards, because what was read last is remembered best (Sutskever, Vinyals & Le, 2014). Every step hears the code
instead of the value before it, so that training and use are the same.
"""

from torch import Tensor, nn

from trainer.models.activation import activation
from trainer.models.autoencoder import Network, Shape, default_bottleneck
from trainer.models.shapes import require_one_axis
from trainer.settings import LstmSettings


class Reader(nn.Module):
    """Features [B, C, F] to what is remembered after the last of them, [B, units]."""

    def __init__(self, channels: int, units: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(channels, units, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        """Read sample by sample."""
        _, (memory, _) = self.lstm(x.transpose(1, 2))  # [B, F, C] -> [1, B, units]
        last: Tensor = memory[0]
        return last


class Teller(nn.Module):
    """Code [B, K] to features [B, C, F]."""

    def __init__(self, bottleneck: int, units: int, shape: Shape) -> None:
        super().__init__()
        channels, self.length = shape
        self.lstm = nn.LSTM(bottleneck, units, batch_first=True)
        self.to_channels = nn.Linear(units, channels)

    def forward(self, code: Tensor) -> Tensor:
        """Tell the window backwards, and turn it around."""
        told, _ = self.lstm(code.unsqueeze(1).expand(-1, self.length, -1))  # [B, F, units]
        features: Tensor = self.to_channels(told)
        return features.flip(1).transpose(1, 2)


class LstmAutoencoder(Network):
    """Features [B, C, F], read along F."""

    def __init__(self, settings: LstmSettings, shape: Shape) -> None:
        require_one_axis(settings.family, shape)
        bottleneck = settings.bottleneck or default_bottleneck(shape)
        super().__init__(
            settings.model_copy(update={"bottleneck": bottleneck}).model_dump(exclude={"family"}),
            shape,
            nn.Sequential(
                Reader(shape[0], settings.units), nn.Dropout(settings.dropout), nn.Linear(settings.units, bottleneck)
            ),
            activation(settings.code_activation),
            Teller(bottleneck, settings.units, shape),
        )
