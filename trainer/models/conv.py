"""The 1-D convolutional autoencoder: every layer halves the time axis, then doubles it back.

Strided convolutions down; up by nearest-neighbour interpolation and convolution, because transposed convolutions leave
a checkerboard in the reconstruction (Odena, Dumoulin & Olah, "Deconvolution and Checkerboard Artifacts", 2016).
"""

from torch import Tensor, nn
from torch.nn import functional

from trainer.models.activation import activation
from trainer.models.autoencoder import Autoencoder
from trainer.settings import ConvSettings


class ConvAutoencoder(Autoencoder):
    """Normalized windows [B, C, L] to their reconstruction [B, C, L], for any length L."""

    def __init__(self, settings: ConvSettings, channels: int, length: int) -> None:
        latent = settings.latent_channels or channels
        described = settings.model_copy(update={"latent_channels": latent})
        super().__init__(described.model_dump(exclude={"family"}))
        self.fold = 2 ** len(settings.features)  # the time axis must be a multiple of this
        self.padding = -length % self.fold
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
        self.encoder = nn.Sequential(*down, nn.Conv1d(narrow, latent, 1))
        self.decoder = nn.Sequential(nn.Conv1d(latent, narrow, 1), *reversed(up))

    def forward(self, x: Tensor) -> Tensor:
        """Reconstruct a batch."""
        padded = functional.pad(x, (0, self.padding), mode="replicate")  # [B, C, L] -> [B, C, fold * n]
        reconstruction: Tensor = self.decoder(self.encoder(padded))
        return reconstruction[:, :, : x.shape[2]]
