"""What a difference between features and their reconstruction costs.

Squares weigh large differences most, so the network spends itself on the strange windows among the normal ones; `l1`
and `huber` (Huber, "Robust estimation of a location parameter", 1964) leave those alone, and `rmse` weighs windows,
not values, less the worse they are.
"""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional

from trainer.settings.training import TrainingSettings

# sqrt has no slope at 0
SMALLEST_SQUARE = 1e-12

LossFunction = Callable[[Tensor, Tensor], Tensor]  # reconstruction, features [B, *shape] -> []


def loss_function(training: TrainingSettings) -> LossFunction:
    """Choose the loss: the mean over windows and their numbers."""
    match training.loss:
        case "mse":
            return functional.mse_loss
        case "l1":
            return functional.l1_loss
        case "rmse":
            return _rmse
        case "huber":
            return lambda reconstruction, features: functional.huber_loss(
                reconstruction, features, delta=training.huber_delta
            )


def _rmse(reconstruction: Tensor, features: Tensor) -> Tensor:
    """Root of the mean square of each window, averaged over windows."""
    squares: Tensor = (reconstruction - features).square().flatten(1).mean(dim=1)
    return squares.clamp(min=SMALLEST_SQUARE).sqrt().mean()
