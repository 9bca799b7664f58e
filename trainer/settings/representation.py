"""What the model sees of a window."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from monitor.settings.section import Section

SHORTEST_SEGMENT = 8

Frequency = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class RawSettings(Section):
    """The normalized samples."""

    kind: Literal["raw"] = "raw"
    """What makes it this representation. A `[representation]` without a kind is `raw`."""

    level: bool = False
    """Each channel's level and log spread beside the samples, which matters where windows are normalized by themselves
    (normalization kind `window`)."""


class SegmentedSettings(Section):
    """What all representations share that split a window into segments."""

    segment_samples: Annotated[int, Field(ge=SHORTEST_SEGMENT, le=65536)] | None = None
    """A window is cut into half overlapping segments of so many samples. Longer ones tell closer frequencies apart;
    more of them make each frequency's power less noisy. Left out: a quarter of the window (`spectrum`), half of it
    (`envelope_spectrum`), an eighth (`spectrogram`)."""

    segments_per_window: ClassVar[int]

    def default_segment(self, length: int) -> int:
        """Samples per segment of a window of `length`, where the settings do not say."""
        return min(length, max(SHORTEST_SEGMENT, length // self.segments_per_window))


class SpectrumSettings(SegmentedSettings):
    """Log power per frequency, with each channel's level and log spread."""

    kind: Literal["spectrum"] = "spectrum"
    """What makes it this representation."""

    segments_per_window: ClassVar[int] = 4


class EnvelopeSpectrumSettings(SegmentedSettings):
    """Log power per frequency of the envelope, with each channel's level and log spread."""

    kind: Literal["envelope_spectrum"] = "envelope_spectrum"
    """What makes it this representation."""

    band_hz: tuple[Frequency, Frequency] | None = None
    """The band in which the blows ring, from low to high, e.g. `[2000, 4000]`. Left out: all frequencies."""

    segments_per_window: ClassVar[int] = 2

    @field_validator("band_hz")
    @classmethod
    def _from_low_to_high(cls, band_hz: tuple[float, float] | None) -> tuple[float, float] | None:
        if band_hz is not None and band_hz[0] >= band_hz[1]:
            raise ValueError("must go from low to high, e.g. [2000, 4000]")
        return band_hz


class SpectrogramSettings(SegmentedSettings):
    """Log power per frequency and time, with each channel's level and log spread per time."""

    kind: Literal["spectrogram"] = "spectrogram"
    """What makes it this representation."""

    segments_per_window: ClassVar[int] = 8


RepresentationSettings = Annotated[
    RawSettings | SpectrumSettings | EnvelopeSpectrumSettings | SpectrogramSettings, Field(discriminator="kind")
]
