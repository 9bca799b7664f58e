"""How long the segments are into which a window is cut for its spectrum."""

from typing import TypeVar

from trainer.errors import SettingsError
from trainer.settings.representation import SegmentedSettings

_Settings = TypeVar("_Settings", bound=SegmentedSettings)


def with_segment(settings: _Settings, length: int) -> tuple[_Settings, int]:
    """Complete the settings by the segment that suits windows of `length` samples; it is returned beside them.

    Raises:
        SettingsError: the segment that they ask for is longer than the window.

    """
    segment = settings.segment_samples or settings.default_segment(length)
    if segment > length:
        raise SettingsError(
            "representation", [f"segment_samples: {segment} samples are longer than the window of {length}"]
        )
    return settings.model_copy(update={"segment_samples": segment}), segment
