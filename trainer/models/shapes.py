"""Which features a family can read."""

from trainer.errors import SettingsError
from trainer.models.autoencoder import Shape


def require_one_axis(family: str, shape: Shape) -> None:
    """Check that features lie along one axis, (C, F).

    Raises:
        SettingsError: they are two-dimensional.

    """
    if len(shape) != 2:
        problem = (
            f'model.family: "{family}" reads features along one axis, here are {shape[1]} x {shape[2]} per channel: '
            'take family "conv2d", "dense" or "pca"'
        )
        raise SettingsError("settings", [problem])
