# A file becomes a Recording or windows of agreeing shapes, or a RecordingError; nothing else is raised.
"""Data files, CSV and NPZ; the first byte says which."""

import numpy as np

from monitor.core.dataset.recording import Recording, RecordingError, parse_recording


def one(data: bytes) -> None:
    if not data:
        return
    try:
        content = parse_recording("data.csv" if data[0] % 2 else "data.npz", data[1:])
    except RecordingError:
        return
    if isinstance(content, Recording):
        assert content.samples.shape == (len(content.time_seconds), len(content.channels))
        assert content.sample_period_seconds > 0
        assert np.isfinite(content.time_seconds).all()
    else:
        assert content.windows.shape[1] == len(content.channels)
