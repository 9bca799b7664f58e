"""What the model sees of a window."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from monitor.settings.section import Section

SHORTEST_SEGMENT = 8

Frequency = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class RawSettings(Section):
    """The normalized samples.

    level: with each channel's level and log spread beside them, which matters where windows are normalized by
        themselves (normalization kind `window`).
    """

    kind: Literal["raw"] = "raw"
    level: bool = False


class SegmentedSettings(Section):
    """A window is cut into half overlapping segments of so many samples (None: a fixed part of the window).

    Longer ones tell closer frequencies apart; more of them make each frequency's power less noisy.
    """

    segment_samples: Annotated[int, Field(ge=SHORTEST_SEGMENT, le=65536)] | None = None
    segments_per_window: ClassVar[int]

    def default_segment(self, length: int) -> int:
        """Samples per segment of a window of `length`, where the settings do not say."""
        return min(length, max(SHORTEST_SEGMENT, length // self.segments_per_window))


class SpectrumSettings(SegmentedSettings):
    """Log power per frequency, with each channel's level and log spread."""

    kind: Literal["spectrum"] = "spectrum"
    segments_per_window: ClassVar[int] = 4


class EnvelopeSpectrumSettings(SegmentedSettings):
    """Log power per frequency of the envelope, with each channel's level and log spread.

    band_hz: where the blows ring, from low to high (None: everywhere).
    """

    kind: Literal["envelope_spectrum"] = "envelope_spectrum"
    band_hz: tuple[Frequency, Frequency] | None = None
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
    segments_per_window: ClassVar[int] = 8


RepresentationSettings = Annotated[
    RawSettings | SpectrumSettings | EnvelopeSpectrumSettings | SpectrogramSettings, Field(discriminator="kind")
]
