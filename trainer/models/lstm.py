"""The recurrent autoencoder: one LSTM reads the window and ends with the code, another tells the window from it.

After Malhotra et al., "LSTM-based encoder-decoder for multi-sensor anomaly detection" (2016): the window is told
backwards, because what was read last is remembered best (Sutskever, Vinyals & Le, 2014). It begins with
what the code says of the reader's memory, and hears the code at every step instead of the value before it, so that
training and use are the same. A step takes several samples, as in speech
recognition, where frames are stacked: over hundreds of steps nothing is remembered, and each costs the same time.
"""

from torch import Tensor, nn

from trainer.models.activation import activation
from trainer.models.autoencoder import Network, Shape, default_bottleneck
from trainer.models.layers import Crop, Pad
from trainer.models.shapes import require_one_axis
from trainer.settings import LstmSettings

DEFAULT_STEPS = 10  # about this many in a window, where nothing is said


class Reader(nn.Module):
    """Features [B, C, F'] to what is remembered after the last step, [B, units]. F' is a multiple of the step."""

    def __init__(self, channels: int, step: int, units: int) -> None:
        super().__init__()
        self.to_steps = nn.Unflatten(2, (-1, step))
        self.lstm = _lstm(channels * step, units)

    def forward(self, x: Tensor) -> Tensor:
        """Read step by step: what is remembered, [B, units]. x: float32 [B, C, F']."""
        steps = self.to_steps(x).transpose(1, 2).flatten(2)  # [B, S, C * step]
        _, (memory, _) = self.lstm(steps)  # [1, B, units]
        last: Tensor = memory[0]
        return last


class Teller(nn.Module):
    """Code [B, K] to features [B, C, F']."""

    def __init__(self, bottleneck: int, units: int, channels: int, step: int, steps: int) -> None:
        super().__init__()
        self.steps = steps
        self.to_memory = nn.Linear(bottleneck, 2 * units)
        self.lstm = _lstm(bottleneck, units)
        self.to_samples = nn.Sequential(nn.Linear(units, channels * step), nn.Unflatten(2, (channels, step)))

    def forward(self, code: Tensor) -> Tensor:
        """Tell the window backwards, and turn it around: [B, C, F']. code: float32 [B, K]."""
        output, cell = self.to_memory(code).unsqueeze(0).chunk(2, dim=2)  # [1, B, units] each
        heard = code.unsqueeze(1).expand(-1, self.steps, -1)
        told, _ = self.lstm(heard, (output.contiguous(), cell.contiguous()))  # [B, S, units]
        steps: Tensor = self.to_samples(told).flip(1)  # [B, S, C, step]
        return steps.transpose(1, 2).flatten(2)


class LstmAutoencoder(Network):
    """Features [B, C, F], read along F."""

    def __init__(self, settings: LstmSettings, shape: Shape) -> None:
        require_one_axis(settings.family, shape)
        channels, length = shape
        bottleneck = settings.bottleneck or default_bottleneck(shape)
        step = settings.step_samples or max(1, round(length / DEFAULT_STEPS))
        steps = -(-length // step)
        described = settings.model_copy(update={"bottleneck": bottleneck, "step_samples": step})
        super().__init__(
            described.model_dump(exclude={"family"}),
            shape,
            nn.Sequential(
                Pad((steps * step - length,)),
                Reader(channels, step, settings.units),
                nn.Dropout(settings.dropout),
                nn.Linear(settings.units, bottleneck),
            ),
            activation(settings.code_activation),
            nn.Sequential(Teller(bottleneck, settings.units, channels, step, steps), Crop((length,))),
        )


def _lstm(inputs: int, units: int) -> nn.LSTM:
    """An LSTM that begins by remembering: its forget gates are open (Jozefowicz, Zaremba & Sutskever, 2015)."""
    lstm = nn.LSTM(inputs, units, batch_first=True)
    for name, parameter in lstm.named_parameters():
        if name.startswith("bias"):
            nn.init.constant_(parameter[units : 2 * units], 0.5)  # there are two, which are added
    return lstm
