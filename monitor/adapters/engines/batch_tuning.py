"""How many windows a model should score in one call: measured on this machine when an artifact is loaded.

Large batches spread the cost of a call, until a layer's activations no longer fit the processor's cache: a convolution
was seen to take twice as long per window at 256 windows as at 32. Where that happens depends on model and machine.
"""

import time
from collections.abc import Callable
from statistics import median
from typing import Protocol

import numpy as np

from monitor.core.values.scorer import Floats32, Scorer

SIZES = (16, 32, 64, 128, 256, 512, 1024)
# Small batches are full sooner, so a larger one must be worth the wait.
WORTH = 1.05
# The first calls of a TorchScript module are spent on optimizing it, on a CUDA device those of every size. They
# should not be somebody's first alert, and say nothing about those that follow.
_WARM_UP_CALLS = 3
_SECONDS_PER_SIZE = 0.03
_LONGEST_CALL_SECONDS = 0.05  # a longer one holds up the windows behind it


class Engine(Scorer, Protocol):
    """A scorer that knows where it computes."""

    on_cpu: bool


def busy_clock(engine: Engine) -> Callable[[], float]:
    """What to time an engine by: on the CPU the processor time of this thread.

    Where other programs keep the machine busy, as everything does when it boots, long calls are interrupted more often
    than short ones, and by the time of day the smallest batch would seem to be the best.
    """
    return time.thread_time if engine.on_cpu else time.perf_counter


def fastest_batch(
    scorer: Scorer,
    windows: Floats32,
    centre: Floats32,
    scale: Floats32,
    clock: Callable[[], float],
) -> int:
    """The smallest of `SIZES` that scores nearly as many windows per second as the best.

    windows: float32 [G, C, L]. centre: float32 [G, C] or [G, C, L]. scale: float32 [G, C]. They are what to measure
    with, repeated to fill a batch. It takes about 0.2 s by `clock` (see `busy_clock`), slow models some more, and
    leaves the scorer warmed up.
    """
    rates: dict[int, float] = {}
    for size in SIZES:
        warm_up(scorer, windows, centre, scale, size)
        seconds = _call_seconds(scorer, _repeated(windows, centre, scale, size), clock)
        if rates and seconds > _LONGEST_CALL_SECONDS:
            break
        rates[size] = size / seconds
    return next(size for size, rate in rates.items() if rate * WORTH >= max(rates.values()))


def warm_up(scorer: Scorer, windows: Floats32, centre: Floats32, scale: Floats32, size: int) -> None:
    """Score batches of `size` until a scorer has done all it does only at first.

    windows: float32 [G, C, L]. centre: float32 [G, C] or [G, C, L]. scale: float32 [G, C]. They are repeated to fill a
    batch.
    """
    batch = _repeated(windows, centre, scale, size)
    for _ in range(_WARM_UP_CALLS):
        scorer.score(*batch)


def _call_seconds(scorer: Scorer, batch: tuple[Floats32, ...], clock: Callable[[], float]) -> float:
    """The median time of a call: what interrupts some says nothing about the model.

    In virtual machines the clock of processor time was seen to stand still for a call: that is no measurement.
    """
    began, measured = clock(), list[float]()
    while not measured or clock() - began < _SECONDS_PER_SIZE:
        start = clock()
        scorer.score(*batch)
        seconds = clock() - start
        if seconds > 0:
            measured.append(seconds)
    return median(measured)


def _repeated(windows: Floats32, centre: Floats32, scale: Floats32, size: int) -> tuple[Floats32, ...]:
    rows = np.arange(size) % len(windows)
    return windows[rows], centre[rows], scale[rows]
