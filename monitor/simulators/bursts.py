"""Bursts: a sensor that sleeps most of the time, to cover a long time with few samples."""

from dataclasses import replace

import numpy as np

from monitor.core.dataset.recording import Recording


def bursts_of(recording: Recording, burst_seconds: float, every_seconds: float) -> Recording:
    """Keep the first `burst_seconds` of every `every_seconds`; each burst is a segment of its own.

    Raises:
        ValueError: the bursts would overlap, or hold no sample.

    """
    if not recording.sample_period_seconds <= burst_seconds < every_seconds:
        raise ValueError(f"a burst of {burst_seconds:g} s does not fit into {every_seconds:g} s")
    period = recording.sample_period_seconds
    number, within = np.divmod(np.arange(len(recording.samples)), round(every_seconds / period))
    kept = within < round(burst_seconds / period)
    return replace(
        recording,
        samples=recording.samples[kept],
        time_seconds=recording.time_seconds[kept],
        labels=None if recording.labels is None else recording.labels[kept],
        segment=number[kept],
    )
