"""Simulated motors of one seed: what models are fitted to, what comes later, and what breaks in it.

Sensors and faults are put into healthy recordings, so that whatever else differs between two trials is the same motor
in the same minute.
"""

from dataclasses import dataclass, replace

import numpy as np

from monitor.core.dataset.recording import Recording
from monitor.simulators.motor import Motor

# Runs of a motor share its traits, but neither load nor noise: short moments of its life that lie far apart. Many of
# them cover its loads. So what is judged resembles what was calibrated on, and what masks do to false alarms is not
# mixed up with what loads do that nobody had seen.
RUN_SECONDS = 10.0
_FIRST_LATER_RUN = 1000


@dataclass(frozen=True, slots=True)
class Fleet:
    """One recording of each of some healthy motors that models are fitted to, and a later one."""

    seed: int
    fitted: tuple[Recording, ...]
    later: tuple[Recording, ...]

    @classmethod
    def simulate(cls, seed: int, motors: int, fitted_runs: int, later_runs: int) -> "Fleet":
        """Record so many runs of each motor. Equal arguments give equal samples."""
        numbers = range(1, motors + 1)
        later = range(_FIRST_LATER_RUN, _FIRST_LATER_RUN + later_runs)
        return cls(
            seed,
            tuple(_healthy(seed, number, range(fitted_runs)) for number in numbers),
            tuple(_healthy(seed, number, later) for number in numbers),
        )


def without(recording: Recording, channel: int | None) -> Recording:
    """The recording as it is when the sensor of one channel delivers nothing; None: as it is."""
    if channel is None:
        return recording
    samples = recording.samples.copy()
    samples[:, channel] = np.nan
    return replace(recording, samples=samples)


def with_fault(recording: Recording, channel: int, times: float) -> Recording:
    """The recording with one channel moving so many times as far around its mean."""
    samples = recording.samples.copy()
    usual = samples[:, channel].mean()
    samples[:, channel] = usual + times * (samples[:, channel] - usual)
    return replace(recording, samples=samples)


def run_of(recording: Recording, number: int) -> Recording:
    """One of the runs of a recording."""
    rows = recording.segment == number
    return replace(
        recording,
        samples=recording.samples[rows],
        time_seconds=recording.time_seconds[rows],
        segment=recording.segment[rows],
    )


def _healthy(seed: int, device: int, runs: range) -> Recording:
    """Runs one after the other, with a break between them that no window crosses."""
    recordings = [Motor(seed=seed, device=device, run=run).record(RUN_SECONDS, "run")[0] for run in runs]
    return replace(
        recordings[0],
        name=f"motor-{seed}-{device}-{runs.start}",
        samples=np.concatenate([one.samples for one in recordings]),
        time_seconds=np.concatenate([one.time_seconds + 2 * RUN_SECONDS * at for at, one in enumerate(recordings)]),
        segment=np.repeat(np.arange(len(runs)), [len(one.samples) for one in recordings]),
        labels=None,
    )
