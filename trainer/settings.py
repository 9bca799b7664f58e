"""Fit settings: TOML into frozen models, command-line values over the file. Settings that exist are valid.

Every setting has a default that suits a first try, so a settings file is optional.
"""

import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from monitor.core.manifest import ChannelSpec
from trainer.errors import SettingsError

Count = Annotated[int, Field(ge=1, le=1_000_000)]
Fraction = Annotated[float, Field(gt=0, lt=0.5)]
Activation = Literal["relu", "gelu"]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class WindowSettings(_Section):
    """How windows are cut. A length or stride left out follows from the sample rate (`trainer.data.plan_windows`).

    sample_rate_hz: overrides the rate found in the files. Files of ready-made windows carry none; there it is 1 Hz
        unless given.
    """

    length: Annotated[int, Field(ge=2, le=65536)] | None = None
    stride: Annotated[int, Field(ge=1, le=65536)] | None = None
    max_gap_samples: Annotated[int, Field(ge=0, le=1024)] = 2
    min_coverage: Annotated[float, Field(ge=0, le=1)] = 0.8
    sample_rate_hz: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None


class NormalizationSettings(_Section):
    """Where centre and scale come from; see `monitor.core.manifest.NormalizationSpec`."""

    kind: Literal["fixed", "window", "stream"] = "fixed"
    warmup_windows: Annotated[int, Field(ge=1, le=4096)] = 64


class DenseSettings(_Section):
    """Dense autoencoder.

    hidden: widths from the input to the bottleneck, mirrored on the way back (None: scaled to the input).
    """

    family: Literal["dense"] = "dense"
    hidden: Annotated[tuple[Count, ...], Field(min_length=1, max_length=8)] | None = None
    activation: Activation = "gelu"


class ConvSettings(_Section):
    """1-D convolutional autoencoder.

    features: one entry per stride-2 convolution. bottleneck: how many numbers stand for a window (None: scaled to the
        input, as in the dense family).
    """

    family: Literal["conv"] = "conv"
    features: Annotated[tuple[Count, ...], Field(min_length=1, max_length=8)] = (8, 16, 32)
    kernel_samples: Annotated[int, Field(ge=3, le=63)] = 5
    bottleneck: Count | None = None
    activation: Activation = "gelu"

    @field_validator("kernel_samples")
    @classmethod
    def _odd(cls, kernel_samples: int) -> int:
        if kernel_samples % 2 == 0:
            raise ValueError("must be odd, so that a convolution has a centre")
        return kernel_samples


class PcaSettings(_Section):
    """Principal components: how many or, below 1, which fraction of the variance they must explain."""

    family: Literal["pca"] = "pca"
    components: Count | Annotated[float, Field(gt=0, lt=1)] = 0.9


ModelSettings = Annotated[DenseSettings | ConvSettings | PcaSettings, Field(discriminator="family")]


class TrainingSettings(_Section):
    """The optimization: Adam on the mean squared error, stopped early on the validation part.

    threads: more than one pays only for large models, and makes weights depend on it; on a busy machine threads that
        wait for each other can be a hundred times slower than one.
    """

    max_epochs: Annotated[int, Field(ge=1, le=100_000)] = 200
    patience_epochs: Annotated[int, Field(ge=1, le=100_000)] = 20
    batch_windows: Annotated[int, Field(ge=1, le=65536)] = 64
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 2e-3
    threads: Annotated[int, Field(ge=1, le=256)] = 1


class SplitSettings(_Section):
    """Which fractions of each recording, at its end, are kept from the optimization. The rest trains."""

    validation: Fraction = 0.15
    calibration: Fraction = 0.25


class CalibrationSettings(_Section):
    """How the threshold follows from the errors of the calibration part.

    setting: for `quantile` the level, for `mean_std` how many standard deviations, for `mad` how many scaled MADs
        (None: 0.995, 4 and 6).
    """

    rule: Literal["quantile", "mean_std", "mad"] = "quantile"
    setting: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _level_below_one(self) -> "CalibrationSettings":
        if self.rule == "quantile" and self.setting is not None and self.setting >= 1:
            raise ValueError("for rule `quantile`, `setting` is a level between 0 and 1, e.g. 0.995")
        return self

    @property
    def number(self) -> float:
        """The setting, or the rule's default."""
        return self.setting if self.setting is not None else {"quantile": 0.995, "mean_std": 4.0, "mad": 6.0}[self.rule]


class ExportSettings(_Section):
    """What is written. onnx: a model for ONNX Runtime beside the artifact."""

    onnx: bool = False

    @field_validator("onnx")
    @classmethod
    def _installed(cls, onnx: bool) -> bool:
        missing = [name for name in ("onnx", "onnxruntime", "onnxscript") if onnx and find_spec(name) is None]
        if missing:
            raise ValueError(f"needs {', '.join(missing)}: pip install 'residuald[onnx]'")
        return onnx


class FitSettings(_Section):
    """Everything `fit` can be told.

    channel: the model's channels in order, with unit and physical range (left out: all channels of the data).
    """

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    channel: Annotated[tuple[ChannelSpec, ...], Field(max_length=1024)] = ()
    window: WindowSettings = WindowSettings()
    normalization: NormalizationSettings = NormalizationSettings()
    model: ModelSettings = DenseSettings()
    training: TrainingSettings = TrainingSettings()
    split: SplitSettings = SplitSettings()
    calibration: CalibrationSettings = CalibrationSettings()
    export: ExportSettings = ExportSettings()

    @model_validator(mode="before")
    @classmethod
    def _family_may_be_left_out(cls, values: Any) -> Any:
        if isinstance(values, dict) and isinstance(values.get("model"), dict):
            return {**values, "model": {"family": "dense", **values["model"]}}
        return values

    @field_validator("channel")
    @classmethod
    def _names_differ(cls, channel: tuple[ChannelSpec, ...]) -> tuple[ChannelSpec, ...]:
        names = [spec.name for spec in channel]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{twice[0]!r} is listed twice")
        return channel


def load_settings(path: Path | None, overrides: dict[str, Any]) -> FitSettings:
    """Read a settings file (None: defaults only) and lay `overrides` (dotted path to value) over it.

    Raises:
        SettingsError: the file cannot be read or used; it lists every problem.

    """
    source = str(path) if path else "command line"
    tree: dict[str, Any] = {}
    if path is not None:
        try:
            tree = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise SettingsError(source, [str(error)]) from None
    for dotted, value in overrides.items():
        *sections, key = dotted.split(".")
        node = tree
        for section in sections:
            node = node.setdefault(section, {})
            if not isinstance(node, dict):
                raise SettingsError(source, [f"{section}: must be a table, e.g. `[{section}]`"])
        node[key] = value
    try:
        return FitSettings.model_validate(tree)
    except ValidationError as error:
        raise SettingsError(source, _problems(error)) from None


def _problems(error: ValidationError) -> list[str]:
    """One line per problem: the dotted path as TOML has it, and what is wrong. The unions' tags are not in the file."""
    lines: dict[str, list[str]] = {}
    for problem in error.errors():
        location = problem["loc"]
        if location[:1] == ("model",):
            location = ("model", *location[2:3])
        path = ".".join(map(str, location)) or "settings"
        unknown = problem["type"] == "extra_forbidden"
        message = "unknown key" if unknown else problem["msg"].removeprefix("Value error, ")
        lines.setdefault(path, []).append(message)
    return [f"{path}: {' or '.join(messages)}" for path, messages in lines.items()]
