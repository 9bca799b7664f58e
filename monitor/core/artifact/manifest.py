"""The manifest: everything an artifact must say about itself to be used without guessing.

It is embedded in the TorchScript archive as `manifest.json`. A manifest that exists is valid: parsing checks it whole.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from monitor.core.artifact.array import Array
from monitor.core.artifact.calibration import Calibration
from monitor.core.artifact.data_levels import DataLevels
from monitor.core.artifact.masking_spec import MaskingSpec
from monitor.core.artifact.normalization_spec import NormalizationSpec
from monitor.core.artifact.part import Finite, ManifestPart, Positive
from monitor.core.artifact.used_label import UsedLabel
from monitor.core.values.names import Name

SCHEMA_VERSION = 1
MANIFEST_FILE = "manifest.json"
SIGNATURE_SUFFIX = ".sig"  # of the signature beside an artifact
ARTIFACT_SHA256 = "artifact.sha256"  # in a model beside an artifact: which one it belongs to

_UPDATE = "update residuald on this machine"


class ManifestError(ValueError):
    """The manifest cannot be used; the text lists every reason."""


class ChannelSpec(ManifestPart):
    """One measured quantity. `low` and `high` are what the sensor can physically deliver (None: unknown).

    may_rest: the channel stood still for a whole window in normal data too. Where it never did, a window without any
    movement is `stuck`. derived: no sensor delivers it; whoever cuts the windows adds it.
    """

    name: Name
    unit: str = ""
    low: Finite | None = None
    high: Finite | None = None
    may_rest: bool = True
    derived: bool = False


# What a beat brings beside its waveform: the last channels of its window. `monitor/core/beats/rr_intervals.py` defines
# the numbers.
RHYTHM_CHANNELS = (
    ChannelSpec(name="rr", unit="s", derived=True),
    ChannelSpec(name="rr_change", derived=True),
)


class BeatSpec(ManifestPart):
    """How windows lie around heartbeats: the R peak is sample number `before_samples` of its window.

    max_rr_seconds: when no beat came for so long, that is an event of its own (asystole, a lead that came off): a
        window of the latest samples is cut then, and another one every `stride` samples until a beat comes.
    """

    before_samples: Annotated[int, Field(ge=0, le=65535)]
    max_rr_seconds: Annotated[float, Field(gt=0, le=60)]


class WindowSpec(ManifestPart):
    """How windows are cut: `length` samples, every `stride` samples (`sliding`) or around each heartbeat (`beat`).

    max_gap_samples: missing samples up to this many in a row are filled with the last value and lower the window's
        coverage; a longer gap clears the window. min_coverage: below it a window is withheld as `low_coverage`.
    """

    length: Annotated[int, Field(ge=2, le=65536)]
    stride: Annotated[int, Field(ge=1, le=65536)]
    cut: Literal["sliding", "beat"] = "sliding"
    beat: BeatSpec | None = None
    max_gap_samples: Annotated[int, Field(ge=0, le=1024)] = 2
    min_coverage: Annotated[float, Field(ge=0, le=1)] = 0.8

    @model_validator(mode="after")
    def _beats_are_described(self) -> "WindowSpec":
        if (self.cut == "beat") != (self.beat is not None):
            raise ValueError("`beat` belongs to cut `beat`, and only to it")
        if self.beat is not None and self.beat.before_samples >= self.length:
            raise ValueError("a beat's window must hold its R peak: `beat.before_samples` is below `length`")
        return self

    @property
    def derived(self) -> tuple[ChannelSpec, ...]:
        """The channels that cutting adds behind the measured ones."""
        return RHYTHM_CHANNELS if self.cut == "beat" else ()


class ScoreSpec(ManifestPart):
    """What the error is; the module computes it.

    residual: `mean_square` of the features' residual, of the residual in units of each feature's own normal
    deviation (`variance`), or of the residual whitened by the normal residual's covariance (`covariance`).
    latent_weight: how much each number of the code's distance from the normal codes counts, beside 1 for the residual
    of each feature. smoothing_samples: the standard deviation of the Gaussian that smooths the residual first,
    along smoothing_axes of its last axes.
    """

    residual: Literal["mean_square", "variance", "covariance"] = "mean_square"
    latent_weight: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    smoothing_samples: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    smoothing_axes: Literal[1, 2] = 1


class Golden(ManifestPart):
    """Windows with their expected errors: proof at load that this machine computes what the trainer computed.

    windows [G, C, L], centre [G, C] or [G, C, L], scale [G, C] go in; error [G], channel_error [G, C] must come out,
    within `tolerance` (relative to the threshold).
    """

    windows: Array
    centre: Array
    scale: Array
    error: Array
    channel_error: Array
    tolerance: Positive = 1e-3


class DataRange(ManifestPart):
    """One input file: which part served for what. Times are seconds as the file says them.

    levels: where its usable windows lie; None: there are none, or an earlier trainer did not measure it.
    """

    name: str
    sha256: str
    windows: int
    start_seconds: Finite | None = None
    end_seconds: Finite | None = None
    excluded: dict[str, int] = Field(default_factory=dict)  # reason -> windows left out
    levels: DataLevels | None = None


class Parent(ManifestPart):
    """The artifact that a refit took its settings from, and whose code its module has.

    A refit of a refit names the same one, so that a single file vouches for all of them. sha256: of the file, in hex.
    """

    version: Name
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Provenance(ManifestPart):
    """Who made this, from what: enough to make it again.

    calibration_folds: 1 where the calibration windows are a part of their own; else into how many parts all windows
    went, each of them scored by a model that was fitted to the others. parent: None of what a person fitted. labels:
    what people had said of the data of a refit.
    """

    created: str  # ISO 8601, UTC
    code_version: str
    torch_version: str
    python_version: str
    seed: int
    data: tuple[DataRange, ...]
    train_windows: int
    validation_windows: int
    calibration_windows: int
    calibration_folds: Annotated[int, Field(ge=1)] = 1
    parent: Parent | None = None
    labels: tuple[UsedLabel, ...] = ()


class Manifest(ManifestPart):
    """What travels inside an artifact beside the TorchScript module."""

    schema_version: int
    model: Name
    version: Name
    channels: Annotated[tuple[ChannelSpec, ...], Field(min_length=1, max_length=1024)]
    sample_period_seconds: Positive
    window: WindowSpec
    normalization: NormalizationSpec
    representation: Name = "raw"  # e.g. spectrum
    representation_settings: dict[str, Any] = Field(default_factory=dict)  # the representation's own
    score: ScoreSpec = ScoreSpec()
    family: Name  # e.g. dense, conv, pca
    settings: dict[str, Any]  # the family's own: layer sizes and the like
    training: dict[str, Any] = Field(
        default_factory=dict
    )  # how it learnt, where not by the defaults of `provenance.code_version`
    parameters: int  # how many numbers the model holds
    threshold: Positive
    calibration: Calibration
    masking: MaskingSpec | None = None  # None: fitted before channels could be masked, or of one channel
    golden: Golden
    provenance: Provenance
    evaluation: dict[str, float] = Field(default_factory=dict)

    @property
    def channel_names(self) -> tuple[str, ...]:
        """Channel names in the model's order."""
        return tuple(channel.name for channel in self.channels)

    @property
    def measured_names(self) -> tuple[str, ...]:
        """Names of the channels that sensors deliver, in the model's order; the derived ones follow them."""
        return tuple(channel.name for channel in self.channels if not channel.derived)

    @property
    def needs_all_channels(self) -> bool:
        """Whether one bad channel withholds windows that others could judge: no `masking` was calibrated."""
        return self.masking is None and len(self.measured_names) > 1

    @property
    def usual_score(self) -> float:
        """The median score of the normal windows that the threshold was found by; 0 where it was not noted."""
        return self.calibration.error_quantiles.get("0.5", 0.0) / self.threshold

    def parent_of_refits(self, sha256: str) -> Parent:
        """Name the parent of a refit of this artifact. sha256: of its file, in hex."""
        return self.provenance.parent or Parent(version=self.version, sha256=sha256)

    @field_validator("schema_version")
    @classmethod
    def _is_the_one_that_is_read_here(cls, schema_version: int) -> int:
        if schema_version != SCHEMA_VERSION:
            newer = schema_version > SCHEMA_VERSION
            whose = f"a newer trainer: {_UPDATE}" if newer else "an older trainer: fit the model anew"
            raise ValueError(
                f"manifest of schema {schema_version}, this program reads schema {SCHEMA_VERSION}; written by {whose}"
            )
        return schema_version

    @model_validator(mode="after")
    def _parts_agree(self) -> "Manifest":
        count, length = len(self.channels), self.window.length
        if len(set(self.channel_names)) != count:
            raise ValueError("channel names must differ")
        derived = tuple(channel.name for channel in self.window.derived)
        if self.channel_names != (*self.measured_names, *derived) or not self.measured_names:
            raise ValueError(f"cut `{self.window.cut}` takes measured channels, then {list(derived)} as derived ones")
        beat = self.window.beat
        if beat is not None and not length * self.sample_period_seconds <= beat.max_rr_seconds:
            raise ValueError("a window around a beat must be no longer than `beat.max_rr_seconds`")
        self.normalization.require_fit(count, length)
        arrays = ("windows", "centre", "scale", "error", "channel_error")
        shapes = {name: getattr(self.golden, name).shape for name in arrays}
        golden = shapes["windows"][0] if shapes["windows"] else 0
        expected = {
            "windows": (golden, count, length),
            "centre": (golden, count, length) if self.normalization.kind == "template" else (golden, count),
            "scale": (golden, count),
            "error": (golden,),
            "channel_error": (golden, count),
        }
        if golden < 1 or shapes != expected:
            raise ValueError(f"golden windows have shapes {shapes}, expected {expected} with at least one window")
        if self.masking is not None:
            measured = len(self.measured_names)
            self.masking.require_fit(measured, length, own=self.normalization.kind == "window")
        return self


def parse_manifest(text: str) -> Manifest:
    """Parse and check a manifest.

    Raises:
        ManifestError: with every problem and its dotted path.

    """
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        raise ManifestError(_told(error)) from None


def _told(error: ValidationError) -> str:
    """Word the problems. Of another schema nothing else is told: it may be laid out in any way."""
    problems = error.errors()
    of_schema = [problem for problem in problems if problem["loc"] == ("schema_version",)]
    text = "; ".join(f"{'.'.join(map(str, p['loc'])) or 'manifest'}: {p['msg']}" for p in of_schema or problems)
    # no version of the trainer has taken a key away, and nobody writes one by hand
    newer = not of_schema and any(problem["type"] == "extra_forbidden" for problem in problems)
    return f"{text}; written by a newer trainer: {_UPDATE}" if newer else text
