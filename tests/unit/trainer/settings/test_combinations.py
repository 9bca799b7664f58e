"""Settings that make no sense together are refused, and the text says which to change."""

from typing import Any

import pytest

from trainer.errors import SettingsError
from trainer.settings import load_settings


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"model.family": "pca", "training.loss": "l1"}, "training.loss: family `pca` is solved, not trained"),
        ({"model.family": "pca", "training.denoising": {}}, "training.denoising: family `pca` is solved"),
        ({"model.family": "pca", "training.pretraining_epochs": 3}, "training.pretraining_epochs: family `pca`"),
        ({"model.family": "pca", "model.dropout": 0.1}, "model.dropout: unknown key"),
        ({"model.family": "conv", "training.pretraining_epochs": 3}, "for family `dense`, not `conv`"),
        ({"model.family": "conv", "model.tied_weights": True}, "model.tied_weights: unknown key"),
        ({"model.family": "lstm", "model.batch_norm": True}, "model.batch_norm: unknown key"),
        ({"model.family": "lstm", "representation.kind": "spectrogram"}, "for spectrograms take `conv2d`"),
        ({"model.family": "conv", "model.fully_convolutional": True, "model.bottleneck": 4}, "the last entry of"),
        ({"model.family": "conv2d", "model.kernel_size": 4}, "model.kernel_size: must be odd"),
        ({"model.hidden": [8], "model.dropout": 0.1}, "model.dropout: acts on hidden layers"),
        ({"model.hidden": [8], "model.batch_norm": True}, "model.batch_norm: acts on hidden layers"),
        ({"training.sparse": {}}, 'set model.code_activation = "sigmoid", or kind = "l1"'),
        ({"training.sparse": {"kind": "l1", "target_activation": 0.1}}, "`target_activation` belongs to kind `kl`"),
        ({"training.sparse": {"kind": "l1"}, "training.variational": {}}, "leave one of them out"),
        ({"training.variational": {}, "model.code_activation": "relu"}, 'needs model.code_activation = "linear"'),
        ({"training.contractive": {}}, 'set model.code_activation = "sigmoid" or (family `dense`) model.tied_weights'),
        (
            {"training.contractive": {}, "model.tied_weights": True, "model.batch_norm": True},
            "model.batch_norm would scale up again",
        ),
        ({"training.denoising": {"kind": "masking", "level": 1.5}}, "`level` is a fraction below 1"),
        ({"training.huber_delta": 2.0}, '`huber_delta` belongs to loss = "huber"'),
    ],
)
def test_what_makes_no_sense_together_is_refused(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(None, settings)
    assert problem in str(caught.value)


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(None, {"training.contractive": {}, "training.sparse": {}})
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [
        "training.sparse",
        "training.contractive",
    ]


@pytest.mark.parametrize(
    "settings",
    [
        {"model.code_activation": "sigmoid", "training.sparse": {}, "training.contractive": {}},
        {"model.tied_weights": True, "training.contractive": {}, "training.pretraining_epochs": 5},
        {"model.family": "lstm", "training.sparse": {"kind": "l1"}, "training.loss": "rmse"},
        {"model.family": "conv2d", "representation.kind": "spectrogram", "training.variational": {}},
        {"model.family": "pca", "training.max_epochs": 7, "training.threads": 2},
        {"training.loss": "huber", "training.huber_delta": 2.0, "training.denoising": {"kind": "masking"}},
        {"training.latent_consistency": {}, "training.variational": {"beta": 0.1}},
    ],
)
def test_what_makes_sense_together_is_accepted(settings: dict[str, Any]) -> None:
    load_settings(None, settings)
