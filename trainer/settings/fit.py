"""Everything `fit` can be told, section by section."""

from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator, model_validator

from monitor.readers.reading_settings import ReadingSettings
from monitor.settings.section import Section
from trainer.settings.calibration import CalibrationSettings
from trainer.settings.channel import ChannelSettings
from trainer.settings.combinations import clashes, clashes_of_cut
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
    """These keys stand above all sections."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Decides the initial weights and the order of the windows. Equal settings, data and seed give equal weights."""

    reading: ReadingSettings = ReadingSettings()
    channel: Annotated[tuple[ChannelSettings, ...], Field(max_length=1024)] = ()
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
    def _makes_sense_together(self, info: ValidationInfo) -> "FitSettings":
        # a section that is wrong itself is not there to compare with; see `trainer.settings.load`
        unsound = info.context["unsound"] if info.context else frozenset()
        problems = []
        if unsound.isdisjoint(("model", "training", "representation")):
            problems += clashes(self.model, self.training, self.representation or RawSettings())
        if unsound.isdisjoint(("window", "normalization")):
            problems += clashes_of_cut(self.window, self.normalization)
        if problems:
            raise ValueError("\n".join(problems))
        return self

    @field_validator("channel")
    @classmethod
    def _names_differ(cls, channel: tuple[ChannelSettings, ...]) -> tuple[ChannelSettings, ...]:
        names = [each.name for each in channel]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{twice[0]!r} is listed twice")
        return channel
