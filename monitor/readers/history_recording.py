"""Stretches of a history as a recording: what the dataset contract says of files, in memory."""

from collections.abc import Iterable

import numpy as np

from monitor.core.dataset.recording import Recording, RecordingError
from monitor.core.history.stretch import Stretch


def recording_of(stream: str, stretches: Iterable[Stretch]) -> tuple[Recording, int]:
    """Put the stretches of one stream together, each a segment.

    Where channels or sampling rate have changed, the newest count. Returns the recording and how many samples were left
    out because they are of others.

    Raises:
        RecordingError: there is no stretch.

    """
    every = list(stretches)
    if not every:
        raise RecordingError(f"the history has no samples of {stream} in that time")
    newest = every[-1]
    chosen = [each for each in every if _alike(each, newest)]
    period = newest.sample_period_seconds
    recording = Recording(
        name=stream,
        channels=newest.channels,
        samples=np.concatenate([each.values.T for each in chosen]),
        time_seconds=np.concatenate([each.start_seconds + np.arange(each.samples) * period for each in chosen]),
        sample_period_seconds=period,
        labels=None,
        segment=np.repeat(np.arange(len(chosen)), [each.samples for each in chosen]),
    )
    return recording, sum(each.samples for each in every if not _alike(each, newest))


def _alike(one: Stretch, other: Stretch) -> bool:
    return (one.channels, one.sample_period_seconds) == (other.channels, other.sample_period_seconds)
