"""The activations a family may be told to use."""

from torch import nn

from trainer.settings import Activation

_CLASSES: dict[Activation, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU}


def activation(name: Activation) -> nn.Module:
    """Make the activation called `name`."""
    return _CLASSES[name]()
