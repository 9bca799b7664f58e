"""The model families and the representations there are: the one place that lists them.

A new family is a file or folder in `trainer/models/` (its network, and its settings: a subclass of `FamilySettings`)
and an entry here. A representation is a file in `trainer/representations/`, an entry here, and one of the settings in
`trainer/settings/representation.py`. What needs torch is named as `module:name` and imported when one is built, so that
the command line can list them without waiting for it.
"""

from dataclasses import dataclass
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from trainer.settings.model import (
    Conv2dSettings,
    ConvSettings,
    DenseSettings,
    FamilySettings,
    LstmSettings,
    PcaSettings,
    ResidualSettings,
)
from trainer.settings.representation import (
    EnvelopeSpectrumSettings,
    RawSettings,
    RepresentationSettings,
    SpectrogramSettings,
    SpectrumSettings,
)
from trainer.settings.training import TrainingSettings

if TYPE_CHECKING:  # as above
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from trainer.models.autoencoder import Autoencoder, Shape
    from trainer.training.loop import History, OnEpoch


@dataclass(frozen=True, slots=True)
class Family:
    """A model family.

    settings: its table in a settings file. network: its subclass of `Autoencoder`, made of those settings and the shape
    of one window's features. about: what it is for, one line of `fit --help`. learning: the function that fits it.
    """

    settings: type[FamilySettings]
    network: str
    about: str
    learning: str = "trainer.models.learning:learn"

    @property
    def name(self) -> str:
        """The family's name in a settings file and in the manifest."""
        name: str = self.settings.model_fields["family"].default
        return name

    def build(self, settings: FamilySettings, shape: "Shape") -> "Autoencoder":
        """Build the network for features of `shape`, (C, F) or (C, H, W), with weights from torch's generator.

        Raises:
            SettingsError: the family does not read features of this shape.

        """
        model: Autoencoder = resolve_name(self.network)(settings, shape)
        return model

    def fit(
        self,
        model: "Autoencoder",
        train: "Tensor",
        validation: "Tensor",
        training: TrainingSettings,
        seed: int,
        on_epoch: "OnEpoch",
    ) -> "History":
        """Fit `model` to features.

        train: float32 [N, *shape]. validation: float32 [M, *shape], which decide when to stop.

        Raises:
            SettingsError: the network would learn to copy.
            TrainingError: the loss is no longer finite.

        """
        history: History = resolve_name(self.learning)(model, train, validation, training, seed, on_epoch)
        return history


@dataclass(frozen=True, slots=True)
class RepresentationKind:
    """What a model may see of a window.

    settings: its table in a settings file. builder: the function that makes it, see `build`.
    """

    settings: type[RepresentationSettings]
    builder: str

    @property
    def name(self) -> str:
        """The representation's `kind` in a settings file and its name in the manifest."""
        name: str = self.settings.model_fields["kind"].default
        return name

    def build(
        self,
        settings: RepresentationSettings,
        shape: tuple[int, int],
        sample_period_seconds: float,
        units: "NDArray[np.float64] | None",
    ) -> "tuple[Any, RepresentationSettings]":
        """Build the representation of windows of `shape` (C, L).

        units: float64 [C], what levels are divided by where windows are normalized by their own numbers, else None.
        Returns the representation, and its settings completed by what shape and rate decided.

        Raises:
            SettingsError: the settings do not suit the windows' length or sample rate.

        """
        built: tuple[Any, RepresentationSettings] = resolve_name(self.builder)(
            settings, shape, sample_period_seconds, units
        )
        return built


FAMILY_LIST = (
    Family(
        DenseSettings,
        "trainer.models.dense:DenseAutoencoder",
        "layers over the whole window: windows that begin at a known place, spectra (the default)",
    ),
    Family(
        ConvSettings,
        "trainer.models.conv:ConvAutoencoder",
        "convolutions along the window: raw windows cut anywhere",
    ),
    Family(
        Conv2dSettings,
        "trainer.models.conv:Conv2dAutoencoder",
        "convolutions along two axes: spectrograms, images",
    ),
    Family(
        ResidualSettings,
        "trainer.models.residual:ResidualAutoencoder",
        "a strong encoder of residual convolutions, a plain decoder: many shapes, much data",
    ),
    Family(
        LstmSettings,
        "trainer.models.lstm:LstmAutoencoder",
        "recurrent, step by step: order in time; learns slowly",
    ),
    Family(
        PcaSettings,
        "trainer.models.pca:Pca",
        "principal components, the linear baseline: solved in seconds, nothing to tune",
        learning="trainer.models.pca:fit_pca",
    ),
)
FAMILIES = {family.name: family for family in FAMILY_LIST}

REPRESENTATION_LIST = (
    RepresentationKind(RawSettings, "trainer.representations.raw:build_raw"),
    RepresentationKind(SpectrumSettings, "trainer.representations.spectrum:build_spectrum"),
    RepresentationKind(EnvelopeSpectrumSettings, "trainer.representations.envelope_spectrum:build_envelope_spectrum"),
    RepresentationKind(SpectrogramSettings, "trainer.representations.spectrogram:build_spectrogram"),
)
REPRESENTATIONS = {kind.name: kind for kind in REPRESENTATION_LIST}
