"""Everything `fit` can be told, section by section."""

from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from monitor.core.artifact.manifest import ChannelSpec
from monitor.readers.reading_settings import ReadingSettings
from monitor.settings.section import Section
from trainer.settings.calibration import CalibrationSettings
from trainer.settings.combinations import clashes
from trainer.settings.export import ExportSettings
from trainer.settings.model import DenseSettings, ModelSettings
from trainer.settings.normalization import NormalizationSettings
from trainer.settings.representation import RawSettings, RepresentationSettings
from trainer.settings.robust import RobustSettings
from trainer.settings.score import ScoreSettings
from trainer.settings.split import SplitSettings
from trainer.settings.training import TrainingSettings
from trainer.settings.window import WindowSettings


class FitSettings(Section):
    """Everything `fit` can be told.

    channel: the model's channels in order, with unit and physical range (left out: all channels of the data).
    representation: left out, the data decide (`trainer.representations.choice`), but for families and cuts that are
        made for raw windows.
    """

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    reading: ReadingSettings = ReadingSettings()
    channel: Annotated[tuple[ChannelSpec, ...], Field(max_length=1024)] = ()
    window: WindowSettings = WindowSettings()
    normalization: NormalizationSettings = NormalizationSettings()
    representation: RepresentationSettings | None = None
    model: ModelSettings = DenseSettings()
    training: TrainingSettings = TrainingSettings()
    split: SplitSettings = SplitSettings()
    robust: RobustSettings = RobustSettings()
    score: ScoreSettings = ScoreSettings()
    calibration: CalibrationSettings = CalibrationSettings()
    export: ExportSettings = ExportSettings()

    @model_validator(mode="before")
    @classmethod
    def _family_and_kind_may_be_left_out(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        defaults = {"model": {"family": "dense"}, "representation": {"kind": "raw"}}
        given = {name: tags | values[name] for name, tags in defaults.items() if isinstance(values.get(name), dict)}
        return values | given

    @property
    def decided_representation(self) -> RepresentationSettings | None:
        """The representation, where the settings decide it."""
        along_time = self.window.cut == "beat" or self.model.family not in {"dense", "pca"}
        return RawSettings() if self.representation is None and along_time else self.representation

    @model_validator(mode="after")
    def _makes_sense_together(self) -> "FitSettings":
        problems = clashes(self.model, self.training, self.representation or RawSettings())
        if self.window.cut == "beat" and self.normalization.kind == "window":
            problems.append("normalization.kind: `window` takes the rhythm away; around beats `template` or `fixed` is")
        if problems:
            raise ValueError("\n".join(problems))
        return self

    @field_validator("channel")
    @classmethod
    def _names_differ(cls, channel: tuple[ChannelSpec, ...]) -> tuple[ChannelSpec, ...]:
        names = [spec.name for spec in channel]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{twice[0]!r} is listed twice")
        return channel
