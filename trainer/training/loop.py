"""The training loop: Adam on any objective, stopped when the validation part no longer improves."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

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
    objective: nn.Module, train: Tensor, validation: Tensor, training: TrainingSettings, seed: int, on_epoch: OnEpoch
) -> History:
    """Minimize `objective` on `train`, and leave it with the weights that were best on `validation`.

    train: float32 [N, *shape]. validation: float32 [M, *shape]. objective: a module that holds what is to be fitted; a
    batch [B, *shape] goes in, its cost [] comes out. It draws random numbers from torch's global generator. The same
    seed, state of that generator, data, thread count and machine give the same weights.

    Raises:
        TrainingError: the loss is no longer finite.

    """
    shuffle = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(objective.parameters(), lr=training.learning_rate, fused=True)
    history = History()
    best_loss = patience_loss = math.inf
    best_weights = copy.deepcopy(objective.state_dict())
    patience_left = training.patience_epochs

    for epoch in range(training.max_epochs):
        objective.train()
        total, trained = 0.0, 0
        for rows in _batches(torch.randperm(len(train), generator=shuffle), training.batch_windows):
            loss = objective(train[rows])
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            total += loss.item() * len(rows)
            trained += len(rows)
        train_loss, validation_loss = total / trained, evaluate_loss(objective, validation, seed)
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
            best_weights = copy.deepcopy(objective.state_dict())
        if validation_loss < patience_loss * (1 - MIN_IMPROVEMENT):
            patience_loss, patience_left = validation_loss, training.patience_epochs
        else:
            patience_left -= 1
        if patience_left == 0:
            break

    objective.load_state_dict(best_weights)
    return history


@torch.no_grad()
def evaluate_loss(objective: nn.Module, windows: Tensor, seed: int, batch_windows: int = 4096) -> float:
    """Mean cost of windows. What is random in the objective is the same in every call with this seed.

    windows: float32 [N, *shape].
    """
    objective.eval()
    total = 0.0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for batch in torch.split(windows, batch_windows):
            total += objective(batch).item() * len(batch)
    return total / len(windows)


def _batches(rows: Tensor, batch_windows: int) -> list[Tensor]:
    """Split row numbers into batches.

    A single row left over waits for the next epoch: alone it has no spread, which batch normalization needs.
    """
    batches = list(torch.split(rows, batch_windows))
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches.pop()
    return batches
