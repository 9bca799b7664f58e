"""Which settings make no sense together. Each text says what to do instead."""

from trainer.settings.model import DenseSettings, FamilySettings, LayeredSettings, NetworkSettings
from trainer.settings.normalization import NormalizationSettings
from trainer.settings.representation import RepresentationSettings
from trainer.settings.training import TrainingSettings
from trainer.settings.window import WindowSettings

# what changes the training, but not how long it takes
OBJECTIVE = (
    *("loss", "pretraining_epochs", "denoising", "sparse", "contractive", "variational", "latent_consistency"),
    "huber_delta",
)
ALONG_ONE_AXIS = ("conv", "residual", "lstm")


def clashes(
    model: FamilySettings, training: TrainingSettings, representation: RepresentationSettings | None
) -> list[str]:
    """List what cannot be combined, each with the path of the setting to change."""
    if not isinstance(model, NetworkSettings):
        defaults = TrainingSettings()
        return [
            f"training.{name}: family `{model.family}` is solved, not trained: leave this out or take another family"
            for name in OBJECTIVE
            if getattr(training, name) != getattr(defaults, name)
        ]
    return _clashes_of_shape(model, training, representation) + _clashes_of_code(model, training)


def clashes_of_cut(window: WindowSettings, normalization: NormalizationSettings) -> list[str]:
    """List what cannot be combined with the way windows are cut, likewise."""
    if window.cut == "beat" and normalization.kind == "window":
        return ["normalization.kind: `window` takes the rhythm away; around beats `template` or `fixed` is right"]
    return []


def _clashes_of_shape(
    model: NetworkSettings, training: TrainingSettings, representation: RepresentationSettings | None
) -> list[str]:
    problems = []
    family = model.family
    if representation is not None and representation.kind == "spectrogram" and family in ALONG_ONE_AXIS:
        problems.append(
            f"model.family: `{family}` reads features along one axis; for spectrograms take `conv2d`, `dense` or `pca`"
        )
    if training.pretraining_epochs and not isinstance(model, DenseSettings):
        problems.append(f"training.pretraining_epochs: layer by layer is for family `dense`, not `{family}`")
    if isinstance(model, DenseSettings) and model.hidden is not None and len(model.hidden) == 1:
        problems += [
            f"model.{name}: acts on hidden layers, but `hidden` has one width, the code's"
            for name in ("dropout", "batch_norm")
            if getattr(model, name)
        ]
    return problems


def _clashes_of_code(model: NetworkSettings, training: TrainingSettings) -> list[str]:
    problems = []
    if training.sparse is not None and training.sparse.kind == "kl" and model.code_activation != "sigmoid":
        problems.append(
            "training.sparse: kind `kl` compares activities between 0 and 1: "
            'set model.code_activation = "sigmoid", or kind = "l1"'
        )
    if training.variational is not None and model.code_activation != "linear":
        problems.append('training.variational: a normally distributed code needs model.code_activation = "linear"')
    if training.variational is not None and training.sparse is not None:
        problems.append(
            "training.sparse: `variational` already says how the code is distributed: leave one of them out"
        )
    if training.contractive is not None:
        if model.code_activation != "sigmoid" and not (isinstance(model, DenseSettings) and model.tied_weights):
            problems.append(
                "training.contractive: the decoder could make up for any contraction of the code: "
                'set model.code_activation = "sigmoid" or (family `dense`) model.tied_weights = true'
            )
        if isinstance(model, LayeredSettings) and model.batch_norm:
            problems.append("training.contractive: model.batch_norm would scale up again what was contracted")
    return problems
