"""What the cells of a run come to: one row for each family, rule and masked channel, with its spread."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from scipy.stats import gamma

from benchmarks.masking.trial import Cell

BOUND = 1.5  # false alarms over those asked for, with any one channel masked


@dataclass(frozen=True, slots=True)
class Row:
    """False alarms and faults found while one channel is masked (None: none is), over all seeds and motors.

    low, high: the 95 % interval of seen / asked. seeds: the least and the largest ratio of a seed. worst: the largest
    ratio of one motor of one seed; beyond: how many of the `cells` such have an interval that lies above BOUND. plain,
    plain_beyond: the ratio and the same number by a threshold without caution. missed: faults not found, by channel.
    """

    family: str
    rule: str
    masked: str | None
    asked: float
    seen: int
    low: float
    high: float
    seeds: tuple[float, float]
    worst: float
    beyond: int
    cells: int
    plain: float
    plain_beyond: int
    found: float
    missed: dict[str, int]
    windows: float
    mild_windows: float

    @property
    def ratio(self) -> float:
        """False alarms seen over those asked for."""
        return self.seen / self.asked


def rows_of(cells: Sequence[Cell]) -> Iterator[Row]:
    """Put together the cells of each family, rule and masked channel; of each such, its first cell tells the place."""
    keys = list(dict.fromkeys((cell.family, cell.rule, cell.masked) for cell in cells))
    for family, rule, masked in keys:
        own = [cell for cell in cells if (cell.family, cell.rule, cell.masked) == (family, rule, masked)]
        asked, seen = sum(cell.asked for cell in own), sum(cell.seen for cell in own)
        low, high = interval(seen)
        missed = Counter(name for cell in own for name in cell.missed)
        by_seed = [
            sum(cell.seen for cell in each) / sum(cell.asked for cell in each)
            for each in (list(group) for _, group in groupby(own, key=lambda cell: cell.seed))
        ]
        yield Row(
            family=family,
            rule=rule,
            masked=masked,
            asked=asked,
            seen=seen,
            low=low / asked,
            high=high / asked,
            seeds=(min(by_seed), max(by_seed)),
            worst=max(cell.seen / cell.asked for cell in own),
            beyond=sum(interval(cell.seen)[0] > BOUND * cell.asked for cell in own),
            cells=len(own),
            plain=sum(cell.plain for cell in own) / asked,
            plain_beyond=sum(interval(cell.plain)[0] > BOUND * cell.asked for cell in own),
            found=1 - missed.total() / sum(cell.faults for cell in own),
            missed=dict(missed.most_common()),
            windows=float(np.mean([cell.windows for cell in own])),
            mild_windows=float(np.mean([cell.mild_windows for cell in own])),
        )


def interval(count: int) -> tuple[float, float]:
    """The 95 % interval of a Poisson mean, given its count (Garwood 1936)."""
    return float(gamma.ppf(0.025, count)) if count else 0.0, float(gamma.ppf(0.975, count + 1))
