"""The activations a family may be told to use."""

from torch import nn

from trainer.settings import Activation, CodeActivation

_CLASSES: dict[Activation | CodeActivation, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "sigmoid": nn.Sigmoid,
    "linear": nn.Identity,
}


def activation(name: Activation | CodeActivation) -> nn.Module:
    """Make the activation called `name`."""
    return _CLASSES[name]()
