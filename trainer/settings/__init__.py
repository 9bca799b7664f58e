"""Fit settings, one file per section of the settings file. Settings that exist are valid.

Every setting has a default that suits a first try, so a settings file is optional.
"""

from trainer.settings.calibration import CalibrationSettings
from trainer.settings.channel import ChannelSettings
from trainer.settings.export import ExportSettings
from trainer.settings.fit import FitSettings
from trainer.settings.load import load_settings
from trainer.settings.model import (
    Activation,
    CodeActivation,
    Conv2dSettings,
    ConvSettings,
    DenseSettings,
    LstmSettings,
    ModelSettings,
    PcaSettings,
    ResidualSettings,
)
from trainer.settings.normalization import NormalizationSettings
from trainer.settings.representation import (
    EnvelopeSpectrumSettings,
    RawSettings,
    RepresentationSettings,
    SpectrogramSettings,
    SpectrumSettings,
)
from trainer.settings.robust import RobustSettings
from trainer.settings.score import Residual, ScoreSettings
from trainer.settings.split import SplitSettings
from trainer.settings.training import TrainingSettings
from trainer.settings.window import WindowSettings

__all__ = [
    "Activation",
    "CalibrationSettings",
    "ChannelSettings",
    "CodeActivation",
    "Conv2dSettings",
    "ConvSettings",
    "DenseSettings",
    "EnvelopeSpectrumSettings",
    "ExportSettings",
    "FitSettings",
    "LstmSettings",
    "ModelSettings",
    "NormalizationSettings",
    "PcaSettings",
    "RawSettings",
    "RepresentationSettings",
    "Residual",
    "ResidualSettings",
    "RobustSettings",
    "ScoreSettings",
    "SpectrogramSettings",
    "SpectrumSettings",
    "SplitSettings",
    "TrainingSettings",
    "WindowSettings",
    "load_settings",
]
