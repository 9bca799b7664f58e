"""Each definition of the error finds what it is for, names the channel, and forgives what is normal."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from trainer.error.error_definition import MOST_WHITENED, ErrorDefinition, fit_error_definition
from trainer.errors import SettingsError
from trainer.models.autoencoder import Autoencoder
from trainer.representations.raw import Raw
from trainer.representations.representation import Representation
from trainer.representations.spectrum import Spectrum
from trainer.settings import ScoreSettings

DEFINITIONS: list[dict[str, Any]] = [
    {"residual": residual, "latent_weight": weight}
    for residual in ("mean_square", "variance", "covariance")
    for weight in (0.0, 1.0)
] + [{"smoothing_samples": 0.7}, {"smoothing_samples": 0.7, "residual": "covariance", "latent_weight": 1.0}]


class FirstFeatures(Autoencoder):
    """Reconstructs the first `kept` features of the flattened input, and no others."""

    def __init__(self, kept: int, shape: tuple[int, ...]) -> None:
        super().__init__({}, shape)
        self.kept = kept
        self.channels, self.length = shape

    def encode(self, features: Tensor) -> Tensor:
        return features.flatten(1)[:, : self.kept]

    def decode(self, code: Tensor) -> Tensor:
        rest = torch.zeros((code.shape[0], self.channels * self.length - self.kept))
        return torch.cat([code, rest], dim=1).view(-1, self.channels, self.length)

    def forward(self, features: Tensor) -> Tensor:
        return self.decode(self.encode(features))


def normal(count: int, seed: int, channels: int = 2, length: int = 8) -> Tensor:
    """Features of very different spread; the last two of channel 1 always agree."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(count, channels, length)) * np.linspace(0.7, 2, length)
    features[:, 1, -1] = features[:, 1, -2] + 0.01 * rng.normal(size=count)
    return torch.from_numpy(features).float()


def fitted(
    score: dict[str, Any], kept: int = 3, representation: Representation | None = None, windows: int = 400
) -> ErrorDefinition:
    train, validation = normal(500, 0), normal(windows, 1)
    model = FirstFeatures(kept, (2, 8))
    settings = ScoreSettings.model_validate(score)
    return fit_error_definition(model, representation or Raw(2, 8), settings, train, validation).eval()


@torch.inference_mode()
def errors(definition: nn.Module, features: Tensor, kept: int = 3) -> tuple[np.ndarray, np.ndarray]:
    model = FirstFeatures(kept, (2, 8))
    code = model.encode(features)
    error, channel_error = definition(features, model.decode(code), code)
    return error.numpy(), channel_error.numpy()


@pytest.mark.parametrize("score", DEFINITIONS)
def test_channel_errors_are_not_negative_and_their_mean_is_the_error(score: dict[str, Any]) -> None:
    error, channel_error = errors(fitted(score), normal(50, 2) * 3)
    assert channel_error.shape == (50, 2)
    assert (channel_error >= 0).all()
    np.testing.assert_allclose(channel_error.mean(axis=1), error, rtol=1e-5)


@pytest.mark.parametrize("score", DEFINITIONS)
@pytest.mark.parametrize("channel", [0, 1])
def test_the_channel_that_misbehaves_has_the_largest_error(score: dict[str, Any], channel: int) -> None:
    features = normal(50, 2)
    features[:, channel] += 6
    _, channel_error = errors(fitted(score), features)
    assert (channel_error.argmax(axis=1) == channel).mean() > 0.95


@pytest.mark.parametrize("residual", ["variance", "covariance"])
def test_a_whitened_error_is_about_1_on_normal_windows_that_it_has_not_seen(residual: str) -> None:
    error, channel_error = errors(fitted({"residual": residual}, kept=1), normal(2000, 2), kept=1)
    # one feature of sixteen is reconstructed and has no residual
    assert error.mean() == pytest.approx(15 / 16, rel=0.05)
    assert channel_error.mean(axis=0) == pytest.approx([7 / 8, 1.0], rel=0.1)


@pytest.mark.parametrize("residual", ["variance", "covariance"])
def test_a_quiet_feature_is_heard_beside_loud_ones(residual: str) -> None:
    features = normal(200, 2)
    features[100:, 1, 0] += 4.0  # nearly six of its standard deviations, and two of the loudest one's

    def separation(score: dict[str, Any]) -> float:
        error, _ = errors(fitted(score), features)
        return float((error[100:, None] > error[None, :100]).mean())

    assert separation({"residual": "mean_square"}) < 0.85
    assert separation({"residual": residual}) > 0.95


def test_a_correlation_that_breaks_is_found_by_the_covariance_alone() -> None:
    features = normal(400, 2)
    # each feature looks as it always does; only that the last two agree is over
    features[200:, 1, -1] = features[200:, 1, -1][torch.randperm(200, generator=torch.Generator().manual_seed(0))]

    def separation(residual: str) -> float:
        error, _ = errors(fitted({"residual": residual}, windows=4000), features)
        return float((error[200:, None] > error[None, :200]).mean())

    assert separation("mean_square") < 0.6
    assert separation("variance") < 0.6
    assert separation("covariance") > 0.85


def test_a_code_far_from_the_normal_ones_counts_even_where_the_reconstruction_is_perfect() -> None:
    features = normal(20, 2)
    features[10:, 0, 0] += 14.0  # twenty standard deviations; reconstructed perfectly
    blind, _ = errors(fitted({"residual": "covariance"}), features)
    seeing, channel_error = errors(fitted({"residual": "covariance", "latent_weight": 1.0}), features)
    assert blind[10:].max() < 3 * blind[:10].max()
    assert seeing[10:].min() > 5 * seeing[:10].max()
    assert (channel_error[10:].argmax(axis=1) == 0).all()


def test_whitened_residual_and_code_make_the_distance_of_the_whole_window() -> None:
    features = normal(2000, 2)
    error, _ = errors(fitted({"residual": "covariance", "latent_weight": 1.0}, windows=4000), features)
    flat, known = features.flatten(1).numpy(), normal(4000, 1).flatten(1).numpy()
    mean, inverse = known.mean(axis=0), np.linalg.inv(np.cov(known.T))
    mahalanobis = np.einsum("nd,de,ne->n", flat - mean, inverse, flat - mean) / flat.shape[1]
    # but for the last feature, whose tiny part of its own the shrunk covariance takes for chance
    assert np.corrcoef(error, mahalanobis)[0, 1] > 0.9
    assert error.mean() == pytest.approx(mahalanobis.mean(), rel=0.15)


def test_a_smoothed_residual_of_one_sign_counts_more_than_one_that_changes_sides() -> None:
    one_sided, wavering = torch.zeros(2, 1, 2, 8).unbind()
    one_sided[:, 0, 3:7] = 1.0
    wavering[:, 0, 3:7] = torch.tensor([1.0, -1.0, 1.0, -1.0])
    plain, smooth = (fitted({"smoothing_samples": width}) for width in (0.0, 1.0))
    assert errors(plain, one_sided)[0] == pytest.approx(errors(plain, wavering)[0])
    assert errors(smooth, one_sided)[0] > 5 * errors(smooth, wavering)[0]


def test_a_level_outside_its_range_counts_whole_and_one_within_it_adds_nothing() -> None:
    representation = Spectrum(2, 12, None)  # six lines, then level and log spread
    definition = fitted({"residual": "variance"}, representation=representation)
    features = normal(3, 2)
    features[1, 1, 6] = 20.0
    plain = errors(fitted({"residual": "variance"}), features)[1]
    with_range = errors(definition, features)[1]
    highest = np.quantile(normal(500, 0)[:, 1, 6], 0.995)
    assert with_range[1, 1] - plain[1, 1] == pytest.approx((20.0 - highest) ** 2 / 2, rel=1e-3)
    np.testing.assert_array_equal(with_range[:, 0], plain[:, 0])
    np.testing.assert_array_equal(with_range[[0, 2]], plain[[0, 2]])


def test_a_covariance_of_too_many_features_is_refused() -> None:
    length = MOST_WHITENED // 2 + 1
    train, model = torch.randn(8, 2, length), FirstFeatures(3, (2, length))
    with pytest.raises(SettingsError, match=f"at most {MOST_WHITENED} features can be whitened"):
        fit_error_definition(model, Raw(2, length), ScoreSettings(residual="covariance"), train, train)


@pytest.mark.parametrize("score", DEFINITIONS)
def test_a_window_that_is_not_finite_spoils_only_its_own_error(score: dict[str, Any]) -> None:
    definition, features = fitted(score), normal(9, 2)
    clean, _ = errors(definition, features)
    features[4, 1, 3] = np.nan
    spoiled, _ = errors(definition, features)
    assert np.isnan(spoiled[4])
    np.testing.assert_allclose(np.delete(spoiled, 4), np.delete(clean, 4), rtol=1e-5)


@pytest.mark.parametrize("score", DEFINITIONS)
def test_the_scripted_definition_computes_the_same(score: dict[str, Any]) -> None:
    definition, features = fitted(score), normal(20, 2)
    scripted = torch.jit.script(definition)
    for found, expected in zip(errors(scripted, features), errors(definition, features), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5)
