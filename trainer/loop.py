"""The training loop: Adam on the mean squared error, stopped when the validation part no longer improves."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from trainer.errors import TrainingError
from trainer.settings import TrainingSettings

OnEpoch = Callable[[int, float, float], None]  # epochs done, train loss, validation loss

# An epoch that improves the validation loss by less than this fraction does not restart the patience: otherwise a
# loss that creeps down by rounding errors never stops.
MIN_IMPROVEMENT = 1e-3


@dataclass(slots=True)
class History:
    """Loss per epoch, and the epoch (from 0) whose weights were kept."""

    train_loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    best_epoch: int = 0


def descend(
    model: nn.Module, train: Tensor, validation: Tensor, training: TrainingSettings, seed: int, on_epoch: OnEpoch
) -> History:
    """Fit `model` to `train` [N, C, L] and leave it with the weights that were best on `validation` [M, C, L].

    Both are normalized. The same seed, data, thread count and machine give the same weights.

    Raises:
        TrainingError: the loss is no longer finite.

    """
    shuffle = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=training.learning_rate, fused=True)
    history = History()
    best_loss = patience_loss = math.inf
    best_weights = copy.deepcopy(model.state_dict())
    patience_left = training.patience_epochs

    for epoch in range(training.max_epochs):
        model.train()
        total = 0.0
        for rows in torch.split(torch.randperm(len(train), generator=shuffle), training.batch_windows):
            batch = train[rows]
            loss = mse_loss(model(batch), batch)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            total += loss.item() * len(rows)
        train_loss, validation_loss = total / len(train), evaluate_loss(model, validation)
        if not (math.isfinite(train_loss) and math.isfinite(validation_loss)):
            raise TrainingError(
                f"the loss is {validation_loss} after epoch {epoch + 1}: lower `training.learning_rate` "
                f"(now {training.learning_rate:g}) or look for extreme values in the data"
            )
        history.train_loss.append(train_loss)
        history.validation_loss.append(validation_loss)
        on_epoch(epoch + 1, train_loss, validation_loss)

        if validation_loss < best_loss:
            best_loss, history.best_epoch = validation_loss, epoch
            best_weights = copy.deepcopy(model.state_dict())
        if validation_loss < patience_loss * (1 - MIN_IMPROVEMENT):
            patience_loss, patience_left = validation_loss, training.patience_epochs
        else:
            patience_left -= 1
        if patience_left == 0:
            break

    model.load_state_dict(best_weights)
    return history


@torch.inference_mode()
def evaluate_loss(model: nn.Module, windows: Tensor, batch_windows: int = 4096) -> float:
    """Mean squared error of `model` over `windows` [N, C, L]."""
    model.eval()
    total = 0.0
    for batch in torch.split(windows, batch_windows):
        total += mse_loss(model(batch), batch).item() * len(batch)
    return total / len(windows)
