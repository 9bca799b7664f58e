"""How a network learns: layer by layer first if asked to, then as a whole."""

import math

import torch
from torch import Tensor, nn

from trainer.errors import SettingsError
from trainer.models.autoencoder import Network
from trainer.models.dense import DenseAutoencoder
from trainer.models.objective import Objective, Reconstruction
from trainer.settings.training import TrainingSettings
from trainer.training.loop import History, OnEpoch, descend


def learn(
    model: Network, train: Tensor, validation: Tensor, training: TrainingSettings, seed: int, on_epoch: OnEpoch
) -> History:
    """Fit `model` to the features `train`, with the weights that were best on `validation`.

    train: float32 [N, *shape]. validation: float32 [M, *shape].

    Raises:
        SettingsError: the code is so wide that the network would learn to copy.
        TrainingError: the loss is no longer finite.

    """
    _refuse_copying(model, train, training)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if training.sparse is not None and training.sparse.kind == "kl":
            _start_at_activity(model, training.sparse.target_activation)
        if training.pretraining_epochs and isinstance(model, DenseAutoencoder):
            pretrain(model, train, validation, training, seed, on_epoch)
        return descend(Objective(model, training), train, validation, training, seed, on_epoch)


def pretrain(
    model: DenseAutoencoder, train: Tensor, validation: Tensor, training: TrainingSettings, seed: int, on_epoch: OnEpoch
) -> None:
    """Train each layer, with the one that mirrors it, to reconstruct what the layers before it make of the windows.

    train: float32 [N, *shape]. validation: float32 [M, *shape].

    Greedy layer-wise pre-training: Hinton & Salakhutdinov (2006); Bengio et al., "Greedy layer-wise training of deep
    networks" (2007); with denoising, the stacked denoising autoencoder of Vincent et al. (2010). No epoch of the
    training itself is done yet: `on_epoch` hears 0.
    """
    brief = training.model_copy(update={"max_epochs": training.pretraining_epochs})
    train, validation = train.flatten(1), validation.flatten(1)
    for down, up in model.stages():
        objective = Reconstruction(nn.Sequential(down, up), training)
        descend(objective, train, validation, brief, seed, lambda _, *losses: on_epoch(0, *losses))
        down.eval()
        with torch.no_grad():
            train, validation = down(train), down(validation)


def _start_at_activity(model: Network, activity: float) -> None:
    """Let the code begin near its target activity: a sigmoid that begins at one half takes hundreds of epochs down."""
    for name, parameter in model.encoder[-1].named_parameters():
        if name.endswith("bias"):
            nn.init.constant_(parameter, math.log(activity / (1 - activity)))


def _refuse_copying(model: Network, train: Tensor, training: TrainingSettings) -> None:
    with torch.no_grad():
        code_size = model.eval().encode(train[:1]).shape[1]
    numbers = math.prod(train.shape[1:])
    kept_from_copying = (training.denoising, training.sparse, training.contractive, training.variational)
    if code_size >= numbers and not any(kept_from_copying) and not _drops_out(model):
        problem = (
            f"model: a code of {code_size} numbers can copy windows of {numbers}, anomalies too: make the bottleneck "
            "smaller, or add training.denoising, sparse, contractive or variational, or model.dropout"
        )
        raise SettingsError("settings", [problem])


def _drops_out(model: Network) -> bool:
    """Whether a layer of the network leaves out numbers while it learns."""
    dropouts = (nn.Dropout, nn.Dropout1d, nn.Dropout2d)
    return any(isinstance(layer, dropouts) and layer.p > 0 for layer in model.modules())
