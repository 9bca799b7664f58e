"""Robust fitting: windows that do not belong to the rest are found, left out, and told one by one.

Recordings of normal operation hold what is not normal: a mislabelled beat, a knock at the sensor, a fault that nobody
saw. A few of those teach the model to reconstruct them. So it is fitted, what it cannot reconstruct by far is trimmed,
and it is fitted again (iterated trimming: Rousseeuw & Van Driessen 2006; for autoencoders Zhou & Paffenroth 2017). The
first round needs no model: what is far from the median window would bend any model towards itself.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.data.windows import BATCH_WINDOWS
from trainer.models.autoencoder import Autoencoder
from trainer.settings import RobustSettings
from trainer.training.loop import History

FitOnce = Callable[[Tensor, Tensor], tuple[Autoencoder, History]]

# In robust standard deviations of the logarithm: one in a billion of lognormal errors lies beyond, and one in a
# thousand where the tail is that of a power law, which 5 % of trimming can bear.
_CUT = 6.0
_QUARTILE = 0.6745  # of the standard normal distribution


@dataclass(frozen=True, slots=True)
class Round:
    """One round of trimming. error: float32 [N], of all windows; cut: the largest error that belongs to the rest.

    trimmed: bool [N], left out in this round. spared: how many would have been if they were not too many.
    """

    error: NDArray[np.float32]
    cut: float
    trimmed: NDArray[np.bool_]
    spared: int


@dataclass(frozen=True, slots=True)
class RobustFit:
    """A model and the windows it was fitted without.

    kept: bool [N] over the training windows and then the validation windows. rounds: number 0 compares with the median
    window, the others with a model's reconstruction.
    """

    model: Autoencoder
    history: History
    kept: NDArray[np.bool_]
    rounds: tuple[Round, ...]

    @property
    def note(self) -> str | None:
        """What a person must know: how many windows were left out, or spared because they were too many."""
        count, trimmed, spared = (
            len(self.kept),
            int((~self.kept).sum()),
            max((r.spared for r in self.rounds), default=0),
        )
        notes = []
        if trimmed:
            notes.append(
                f"{trimmed} of {count} training and validation windows do not belong to the rest and were left out; "
                "the report lists each"
            )
        if spared:
            notes.append(
                f"{spared} of {count} training and validation windows lie far from the rest. So many are taken for a "
                "way of operation and kept; if they are not, label them or raise `robust.trim`"
            )
        return "; ".join(notes) or None


def fit_robustly(train: Tensor, validation: Tensor, settings: RobustSettings, fit_once: FitOnce) -> RobustFit:
    """Fit to features, trimming both parts, until nothing is left to trim.

    train: float32 [N, *shape]. validation: float32 [M, *shape], features of one window each.
    """
    features = torch.cat([train, validation])
    in_train = np.arange(len(features)) < len(train)
    most = int(settings.trim * len(features))
    kept = np.ones(len(features), np.bool_)
    if not most:
        model, history = fit_once(train, validation)
        return RobustFit(model, history, kept, ())
    rounds = [_trim(_distance(features, features[torch.from_numpy(kept)].median(dim=0).values), kept, most)]
    while True:
        kept = kept & ~rounds[-1].trimmed
        model, history = fit_once(*(features[torch.from_numpy(kept & part)] for part in (in_train, ~in_train)))
        if len(rounds) > settings.rounds:
            break
        rounds.append(_trim(_residual(model, features), kept, most))
        if not rounds[-1].trimmed.any():
            break
    return RobustFit(model, history, kept, tuple(rounds))


def upper_cut(error: NDArray[np.floating]) -> float:
    """The error beyond which a window does not belong: so many robust deviations above the median, on a log scale.

    error: floating [N].

    Only the upper half counts for the deviation (a normal one has its upper quartile at 0.67): how far down errors
    reach says nothing about how far up they should.
    """
    log = np.log(np.maximum(error, np.finfo(np.float32).tiny))
    middle, quartile = np.quantile(log, (0.5, 0.75))
    return float(np.exp(middle + _CUT * (quartile - middle) / _QUARTILE))


def _trim(error: NDArray[np.float32], kept: NDArray[np.bool_], most: int) -> Round:
    """Trim what is beyond the cut, unless that makes more than `most` in all: so many are a way of operation."""
    cut = upper_cut(error[kept])
    beyond = kept & (error > cut)
    too_many = int((~kept).sum() + beyond.sum()) > most
    return Round(error, cut, np.zeros_like(kept) if too_many else beyond, int(beyond.sum()) if too_many else 0)


def _distance(features: Tensor, middle: Tensor) -> NDArray[np.float32]:
    return np.asarray((features - middle).square().flatten(1).mean(dim=1).numpy(), np.float32)


@torch.inference_mode()
def _residual(model: Autoencoder, features: Tensor) -> NDArray[np.float32]:
    pieces = [(model(piece) - piece).square().flatten(1).mean(dim=1) for piece in torch.split(features, BATCH_WINDOWS)]
    return np.asarray(torch.cat(pieces).numpy(), np.float32)
