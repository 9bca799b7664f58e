"""Strata and priorities: which part of what was measured stays, where not all of it can.

What is normal differs by time of day, season and how close to the threshold it came; a sample that is to stand for all
of it must not be crowded by what is most common. So each stretch belongs to a stratum, and every stratum of a stream
keeps those of its stretches that drew the highest random priorities: a reservoir (Vitter 1985, "Random sampling with a
reservoir") kept by priorities instead of positions (Efraimidis and Spirakis 2006, "Weighted random sampling with a
reservoir", with equal weights). The priority follows from stream and time alone, so that a process that sees the same
samples again, as after a crash, takes the same ones.
"""

import hashlib
import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

_HOURS = 4  # of a part of the day
# Bounds between the bands of a stretch's highest score, the last of which is the threshold
_SCORE_BOUNDS = (0.5, 0.8, 1.0)
_WITHHELD = "w"

# SplitMix64: Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators"
_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_MANTISSA = 2.0**-53


def stratum_of(seconds: float, highest_score: float) -> str:
    """The stratum of a stretch, e.g. `m03 h08 s1`: month, part of the day (UTC) and band of its highest score.

    seconds: epoch, somewhere in it. highest_score: NaN where all of its windows were withheld.
    """
    when = datetime.fromtimestamp(seconds, UTC)
    band = _WITHHELD if math.isnan(highest_score) else sum(highest_score >= bound for bound in _SCORE_BOUNDS)
    return f"m{when.month:02} h{when.hour // _HOURS * _HOURS:02} s{band}"


def seed_of(model: str, stream: str) -> int:
    """What the priorities of a stream follow from: 64 bits."""
    return int.from_bytes(hashlib.blake2b(f"{model}\0{stream}".encode(), digest_size=8).digest(), "big")


def priorities_of(seeds: NDArray[np.uint64], slots: NDArray[np.int64]) -> NDArray[np.float64]:
    """The priorities of slots of time: float64 [N], evenly spread over 0 to 1. seeds: uint64 [N]; slots: int64 [N]."""
    with np.errstate(over="ignore"):
        mixed: NDArray[Any] = seeds + slots.astype(np.uint64) * _GAMMA
        mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX_1
        mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX_2
        mixed ^= mixed >> np.uint64(31)
    return (mixed >> np.uint64(11)).astype(np.float64) * _MANTISSA
