"""Training stops when validation no longer improves, and keeps the weights that were best."""

import copy

import pytest
import torch
from torch import Tensor

from trainer.errors import TrainingError
from trainer.models.dense import DenseAutoencoder
from trainer.models.objective import Objective
from trainer.settings import DenseSettings, TrainingSettings
from trainer.training.loop import descend, evaluate_loss


def objective() -> Objective:
    torch.manual_seed(0)
    return Objective(DenseAutoencoder(DenseSettings(hidden=(32, 16)), (1, 16)), TrainingSettings())


def noise(count: int, seed: int) -> Tensor:
    return torch.randn(count, 1, 16, generator=torch.Generator().manual_seed(seed))


def test_early_stopping_leaves_the_best_weights_not_the_last() -> None:
    # few windows of pure noise: soon the model learns them by heart and gets worse on others
    seen: list[tuple[int, float]] = []
    weights: list[dict[str, Tensor]] = []
    fitted = objective()

    def on_epoch(done: int, train: float, validation: float) -> None:
        seen.append((done, validation))
        weights.append(copy.deepcopy(fitted.state_dict()))

    validation = noise(64, seed=2)
    training = TrainingSettings(max_epochs=400, patience_epochs=10, learning_rate=0.01)
    history = descend(fitted, noise(40, seed=1), validation, training, 0, on_epoch)

    losses = [loss for _, loss in seen]
    assert [done for done, _ in seen] == list(range(1, len(seen) + 1))
    assert history.validation_loss == losses
    assert len(losses) < 400
    best = losses.index(min(losses))
    assert history.best_epoch == best < len(losses) - 1
    assert evaluate_loss(fitted, validation, 0) == pytest.approx(min(losses))
    for name, tensor in fitted.state_dict().items():
        assert torch.equal(tensor, weights[best][name])


def test_the_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    def weights(seed: int) -> list[Tensor]:
        fitted = objective()
        descend(fitted, noise(100, 1), noise(20, 2), TrainingSettings(max_epochs=3), seed, lambda *_: None)
        return list(fitted.state_dict().values())

    assert all(torch.equal(a, b) for a, b in zip(weights(7), weights(7), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(weights(7), weights(8), strict=True))


def test_a_loss_that_is_no_number_says_what_to_do() -> None:
    extreme = noise(100, 1) * 1e30
    with pytest.raises(TrainingError, match=r"after epoch 1: lower `training\.learning_rate`"):
        descend(objective(), extreme, extreme, TrainingSettings(), 0, lambda *_: None)
