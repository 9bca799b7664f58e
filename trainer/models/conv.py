"""The 1-D convolutional autoencoder: every layer halves the time axis, a dense bottleneck, then doublings back.

Strided convolutions down; up by nearest-neighbour interpolation and convolution, because transposed convolutions leave
a checkerboard in the reconstruction (Odena, Dumoulin & Olah, "Deconvolution and Checkerboard Artifacts", 2016). The
bottleneck is dense: a convolutional one keeps so many numbers per window that anomalies pass it as well.
"""

from torch import Tensor, nn
from torch.nn import functional

from trainer.models.activation import activation
from trainer.models.autoencoder import Autoencoder
from trainer.models.dense import default_widths
from trainer.settings import ConvSettings


class ConvAutoencoder(Autoencoder):
    """Normalized windows [B, C, L] to their reconstruction [B, C, L], for any length L."""

    def __init__(self, settings: ConvSettings, channels: int, length: int) -> None:
        bottleneck = settings.bottleneck or default_widths(channels * length)[-1]
        described = settings.model_copy(update={"bottleneck": bottleneck})
        super().__init__(described.model_dump(exclude={"family"}))
        fold = 2 ** len(settings.features)  # the time axis must be a multiple of this
        self.padding = -length % fold
        kernel, pad = settings.kernel_samples, settings.kernel_samples // 2
        down: list[nn.Module] = []
        up: list[nn.Module] = []
        narrow = channels
        for wide in settings.features:
            down += [nn.Conv1d(narrow, wide, kernel, stride=2, padding=pad), activation(settings.activation)]
            # the list is reversed below: activation, doubling, convolution
            up += [nn.Conv1d(wide, narrow, kernel, padding=pad), nn.Upsample(scale_factor=2.0)]
            up += [activation(settings.activation)]
            narrow = wide
        folded = (length + self.padding) // fold
        self.encoder = nn.Sequential(*down, nn.Flatten(), nn.Linear(narrow * folded, bottleneck))
        self.decoder = nn.Sequential(
            nn.Linear(bottleneck, narrow * folded), nn.Unflatten(1, (narrow, folded)), *reversed(up)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Reconstruct a batch."""
        padded = functional.pad(x, (0, self.padding), mode="replicate")  # [B, C, L] -> [B, C, fold * n]
        code = self.encoder(padded)  # [B, F, n] -> [B, F * n] -> [B, bottleneck]
        reconstruction: Tensor = self.decoder(code)
        return reconstruction[:, :, : x.shape[2]]
