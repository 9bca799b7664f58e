"""The tail of normal errors: a generalized Pareto distribution of what lies above a base, and how sure we are of it.

Peaks over a high base follow a generalized Pareto distribution, whatever the errors themselves follow (Balkema & de
Haan 1974, Pickands 1975). Its shape and scale are not estimated but averaged over: on a grid, with weights by Bayes'
rule. So a level's probability is that of a *new* peak beyond it (the predictive distribution; Coles & Tawn 1996).
Plugging in one best estimate instead promises several times too few alarms where the level lies far beyond the data.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import gamma, norm

Floats = NDArray[np.float64]

# Below a shape of -0.5 the likelihood is not regular (Smith 1985); at 1 the mean is infinite. No node is 0, where the
# formulas would need their limit.
_SHAPES: Floats = np.linspace(-0.5, 1.0, 60)[:, None]
# Exponential tails, give or take: 0.4 is as heavy as tails of reconstruction errors are likely to get.
_LOG_PRIOR: Floats = norm.logpdf(_SHAPES, loc=0.0, scale=0.2)
# Scales as multiples of the mean excess. Equal steps of the logarithm amount to the usual prior, 1 / scale.
_RELATIVE_SCALES: Floats = np.geomspace(0.1, 8.0, 80)[None, :]

CONFIDENCE = 0.95
_ENDS = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)


@dataclass(frozen=True, slots=True)
class Tail:
    """Weights [S, K] (their sum is 1) of S shapes and K scales [1, K], from `count` excesses over the base."""

    scales: Floats
    weight: Floats
    count: int

    @classmethod
    def fit(cls, excess: Floats, beyond: int = 0) -> "Tail":
        """Fit to excesses, all at least 0 and not all 0.

        excess: float64 [N], at least one. beyond: of so many more it is only known that they are larger than all of
        these (right-censored).
        """
        scales = _RELATIVE_SCALES * excess.mean()
        log_weight = _LOG_PRIOR - len(excess) * np.log(scales)
        for one in excess:
            log_weight = log_weight + (1 + _SHAPES) * _log_survival(one / scales)  # the density of scale 1
        if beyond:
            log_weight = log_weight + beyond * _log_survival(excess.max() / scales)
        weight = np.exp(log_weight - log_weight.max())
        return cls(scales, weight / weight.sum(), len(excess))

    def survival(self, excess: float) -> float:
        """The probability that a new excess is larger than this one."""
        return float((self.weight * np.exp(_log_survival(excess / self.scales))).sum())

    def level(self, probability: float) -> float:
        """The excess that a new one is larger than with this probability (above 0); 0 from a probability of 1 on."""
        if probability >= 1:
            return 0.0
        high = float(self.scales[0, 0])
        while self.survival(high) > probability:
            high *= 2
        return float(brentq(lambda excess: self.survival(excess) / probability - 1, 0.0, high, rtol=1e-9))

    def joint_survival(self, excess: float, above: float, count: int) -> float:
        """The probability that `count` new excesses, all known to be larger than `above`, are larger than `excess`."""
        ratio = np.exp(_log_survival(excess / self.scales) - np.maximum(_log_survival(above / self.scales), -700.0))
        return float((self.weight * np.minimum(ratio, 1.0) ** count).sum())

    def rate_interval(self, excess: float, exposure: float) -> tuple[float, float]:
        """How often excesses are larger than this one, per unit of the `exposure` in which `count` were seen.

        The ends of the 95 % credible interval. Counts are Poisson; their rate has Jeffreys' prior.
        """
        share = np.exp(_log_survival(excess / self.scales))
        never = float(self.weight[share == 0].sum())
        counts = (share > 0) & (self.weight > 1e-7)  # of 4800 nodes most carry next to nothing
        share, weight = share[counts], self.weight[counts]

        def quantile(level: float) -> float:
            if never >= level:
                return 0.0
            highest = gamma.ppf(0.9999, self.count + 0.5) * float(share.max())
            return float(
                brentq(lambda rate: never + weight @ gamma.cdf(rate / share, self.count + 0.5) - level, 0.0, highest)
            )

        low, high = map(quantile, _ENDS)
        return low / exposure, high / exposure

    def shape(self) -> tuple[float, float, float]:
        """The shape (0: exponential; above: heavier): its mean and the ends of its 95 % credible interval."""
        marginal = self.weight.sum(axis=1)
        low, high = np.interp(_ENDS, np.cumsum(marginal), _SHAPES[:, 0])
        return float(marginal @ _SHAPES[:, 0]), float(low), float(high)

    def scale(self) -> float:
        """The scale's mean, in units of the excess."""
        return float(self.weight.sum(axis=0) @ self.scales[0])

    def misfit(self, excess: Floats) -> float:
        """The statistic A² of Anderson & Darling (1954): it weighs what happens far out most. excess: float64 [N]."""
        survival = np.clip([self.survival(one) for one in np.sort(excess)], 1e-12, 1 - 1e-12)
        odd = 2 * np.arange(1, len(survival) + 1) - 1
        return float(-len(survival) - np.mean(odd * (np.log1p(-survival) + np.log(survival[::-1]))))


def _log_survival(relative: Floats) -> Floats:
    """Logarithm of the probability to exceed, [S, K]; `relative` [1, K] is the excess in units of the scales."""
    grown = _SHAPES * relative
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(grown > -1, -np.log1p(grown) / _SHAPES, -np.inf)
