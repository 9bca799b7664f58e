"""One contract, kept by every model family: as a module, compiled, exported, frozen and loaded again."""

import io
import warnings
import zipfile
from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.manifests import manifest_of
from tests.repository import ROOT
from trainer.artifact.export import CompiledScorer, WindowScorer
from trainer.data.windows import Windows
from trainer.error.error_definition import ErrorDefinition
from trainer.errors import SettingsError
from trainer.models.autoencoder import Autoencoder, default_widths
from trainer.models.dense import DenseAutoencoder
from trainer.models.pca import Pca, fit_pca
from trainer.registry import FAMILIES
from trainer.representations.raw import Raw
from trainer.settings import (
    Conv2dSettings,
    ConvSettings,
    DenseSettings,
    LstmSettings,
    PcaSettings,
    ResidualSettings,
    TrainingSettings,
)
from trainer.settings.model import FamilySettings, NetworkSettings

# families with each setting that changes their layers
VARIANTS: dict[str, FamilySettings] = {
    "dense": DenseSettings(),
    "dense, overcomplete and sparse": DenseSettings(hidden=(60,), code_activation="sigmoid"),
    "dense, deep": DenseSettings(hidden=(32, 24, 16, 8, 4), batch_norm=True, dropout=0.1),
    "dense, tied": DenseSettings(hidden=(16, 4), tied_weights=True, activation="relu"),
    "conv": ConvSettings(),
    "conv, normalized": ConvSettings(features=(4, 8), batch_norm=True, dropout=0.1),
    "conv, fully": ConvSettings(features=(4, 2), fully_convolutional=True, code_activation="relu"),
    "conv2d": Conv2dSettings(),
    "conv2d, normalized": Conv2dSettings(features=(4, 8), batch_norm=True, dropout=0.1),
    "conv2d, fully": Conv2dSettings(features=(4, 2), fully_convolutional=True, kernel_size=5),
    "residual": ResidualSettings(features=(4, 8)),
    "residual, normalized": ResidualSettings(features=(4, 4), blocks=1, batch_norm=True, dropout=0.1),
    "lstm": LstmSettings(units=8, dropout=0.1),
    "pca": PcaSettings(components=3),
}
# and every other one that there is as it comes
SETTINGS = VARIANTS | {
    name: family.settings.model_validate({})
    for name, family in FAMILIES.items()
    if name not in {variant.family for variant in VARIANTS.values()}
}
LEARNT = [name for name, settings in SETTINGS.items() if isinstance(settings, NetworkSettings)]  # the rest is solved
QUICK = TrainingSettings(max_epochs=2)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Networks this small wait for their threads most of the time."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def ignore(done: int, train: float, validation: float) -> None:
    pass


def normal_features(count: int, shape: tuple[int, ...], seed: int = 0) -> Tensor:
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed))


def built(name: str, shape: tuple[int, ...] = (2, 24)) -> Autoencoder:
    torch.manual_seed(1)
    return FAMILIES[SETTINGS[name].family].build(SETTINGS[name], shape)


def training_of(name: str) -> TrainingSettings:
    """Two epochs; an overcomplete code is kept from copying by noise."""
    return QUICK.model_validate({"max_epochs": 2, **({"denoising": {}} if "overcomplete" in name else {})})


@cache
def fitted(name: str) -> Autoencoder:
    model, family = built(name), FAMILIES[SETTINGS[name].family]
    train, validation = normal_features(40, (2, 24)), normal_features(10, (2, 24), seed=1)
    family.fit(model, train, validation, training_of(name), 0, ignore)
    return model.eval()


@cache
def compiled(name: str) -> CompiledScorer:
    return CompiledScorer.compile(scorer_of(fitted(name)))


def raw_windows(count: int = 9, channels: int = 2, length: int = 24) -> Windows:
    rng = np.random.default_rng(5)
    return Windows(
        rng.normal(100, 7, (count, channels, length)).astype(np.float32),
        rng.normal(100, 1, (count, channels)).astype(np.float32),
        rng.uniform(5, 9, (count, channels)).astype(np.float32),
    )


def scorer_of(model: Autoencoder, channels: int = 2, length: int = 24) -> WindowScorer:
    return WindowScorer(model, Raw(channels, length), ErrorDefinition.mean_square())


def tensors(windows: Windows) -> tuple[Tensor, Tensor, Tensor]:
    return torch.from_numpy(windows.values), torch.from_numpy(windows.centre), torch.from_numpy(windows.scale)


@pytest.mark.parametrize("name", SETTINGS)
def test_neither_fitting_nor_use_changes_the_features_that_are_given(name: str) -> None:
    model, family = built(name), FAMILIES[SETTINGS[name].family]
    train, validation = normal_features(40, (2, 24)), normal_features(10, (2, 24), seed=1)
    training = TrainingSettings.model_validate(
        {"max_epochs": 1, **({"denoising": {}} if "overcomplete" in name else {})}
    )
    family.fit(model, train, validation, training, 0, ignore)
    with torch.inference_mode():
        model.eval()(train)
    assert torch.equal(train, normal_features(40, (2, 24)))
    assert torch.equal(validation, normal_features(10, (2, 24), seed=1))


@pytest.mark.parametrize("name", SETTINGS)
def test_the_same_seed_fits_the_same_numbers(name: str) -> None:
    first, second = (fitted.__wrapped__(name).state_dict() for _ in range(2))  # not the one that is kept
    assert first.keys() == second.keys()
    assert [key for key, tensor in first.items() if not torch.equal(tensor, second[key])] == []


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("shape", [(1, 2), (1, 3), (3, 7), (2, 64), (1, 141), (28, 28)])
def test_features_of_any_size_come_out_in_their_shape_and_pass_through_one_code(
    name: str, shape: tuple[int, ...]
) -> None:
    model = built(name, shape).eval()
    features = normal_features(5, shape)
    with torch.inference_mode():
        assert model(features[:0]).shape == (0, *shape)
        code = model.encode(features)
        assert code.ndim == 2
        assert model(features).shape == features.shape
        assert torch.equal(model.decode(code), model(features))


@pytest.mark.parametrize("name", ["dense", "dense, tied", "conv2d", "conv2d, normalized", "conv2d, fully", "pca"])
@pytest.mark.parametrize("shape", [(1, 3, 5), (2, 17, 9), (1, 28, 28)])
def test_features_along_two_axes_come_out_in_their_shape(name: str, shape: tuple[int, ...]) -> None:
    features = normal_features(3, shape)
    with torch.inference_mode():
        assert built(name, shape).eval()(features).shape == features.shape


@pytest.mark.parametrize("name", ["conv", "residual", "lstm"])
def test_a_family_of_one_axis_refuses_features_along_two(name: str) -> None:
    with pytest.raises(SettingsError, match=r'17 x 9 per channel: take family "conv2d"'):
        built(name, (2, 17, 9))


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("count", [1, 7])
def test_the_scripted_model_computes_what_the_eager_one_computes(name: str, count: int) -> None:
    model, features = fitted(name), normal_features(count, (2, 24), seed=3)
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore", DeprecationWarning)
        scripted = torch.jit.script(model)
        torch.testing.assert_close(scripted(features), model(features))
        torch.testing.assert_close(scripted.encode(features), model.encode(features))
        torch.testing.assert_close(scripted.decode(model.encode(features)), model(features))


@pytest.mark.parametrize("name", LEARNT)
def test_every_number_of_a_model_is_reached_by_the_gradient(name: str) -> None:
    model = built(name).train()
    torch.manual_seed(0)  # dropout
    features = normal_features(16, (2, 24))
    torch.autograd.backward((model(features) - features).square().mean())
    unreached = [
        key for key, number in model.named_parameters() if number.grad is None or not number.grad.abs().sum() > 0
    ]
    # what batch normalization takes away again, the bias before it, cannot matter
    assert [key for key in unreached if "bias" not in key] == []


@pytest.mark.parametrize("name", SETTINGS)
def test_the_compiled_module_computes_what_the_eager_one_computes(name: str) -> None:
    model, windows = fitted(name), raw_windows()
    error, channel_error = compiled(name).errors(windows)
    with torch.inference_mode():
        eager_error, eager_channel_error = scorer_of(model)(*tensors(windows))
    np.testing.assert_allclose(error, eager_error.numpy(), rtol=1e-5)
    np.testing.assert_allclose(channel_error, eager_channel_error.numpy(), rtol=1e-5)


@pytest.mark.parametrize("name", SETTINGS)
def test_errors_are_mean_squares_of_the_normalized_residual(name: str) -> None:
    scorer, windows = compiled(name), raw_windows()
    error, channel_error = scorer.errors(windows)
    residual = (scorer.reconstruct(windows) - windows.values) / windows.scale[:, :, None]
    np.testing.assert_allclose(channel_error, (residual**2).mean(axis=2), rtol=1e-3)
    np.testing.assert_allclose(error, channel_error.mean(axis=1), rtol=1e-5)


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_a_window_that_is_not_finite_spoils_only_its_own_error(name: str, poison: float) -> None:
    scorer, windows = compiled(name), raw_windows()
    clean = scorer.errors(windows)[0]
    windows.values[4, 1, 3] = poison
    spoiled = scorer.errors(windows)[0]
    assert not np.isfinite(spoiled[4])
    np.testing.assert_allclose(np.delete(spoiled, 4), np.delete(clean, 4), rtol=1e-6)


@pytest.mark.parametrize("name", SETTINGS)
def test_batches_of_any_size_give_the_same_errors(name: str) -> None:
    scorer, windows = compiled(name), raw_windows()
    one_by_one = np.concatenate([scorer.errors(windows[np.array([index])])[0] for index in range(len(windows))])
    np.testing.assert_allclose(one_by_one, scorer.errors(windows)[0], rtol=1e-5)
    assert scorer.errors(windows[np.zeros(len(windows), bool)])[0].shape == (0,)


@pytest.mark.parametrize("name", SETTINGS)
def test_both_methods_survive_freezing_and_a_round_through_bytes(name: str) -> None:
    windows = raw_windows()
    scorer = compiled(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        buffer = io.BytesIO()
        torch.jit.save(torch.jit.script(scorer_of(fitted(name)).eval()), buffer)
        buffer.seek(0)
        loaded = torch.jit.load(buffer)  # type: ignore[no-untyped-call] # torch does not type it
        frozen = torch.jit.freeze(loaded.eval(), preserved_attrs=["reconstruct"])
    with torch.inference_mode():
        np.testing.assert_allclose(frozen(*tensors(windows))[0].numpy(), scorer.errors(windows)[0], rtol=1e-4)
        np.testing.assert_allclose(
            frozen.reconstruct(*tensors(windows)).numpy(), scorer.reconstruct(windows), rtol=1e-4
        )


@pytest.mark.parametrize("name", SETTINGS)
def test_a_family_describes_itself_without_anything_left_open(name: str) -> None:
    assert None not in fitted(name).describe().values()


def test_dense_widths_scale_with_the_input() -> None:
    assert default_widths(140) == (64, 32, 8)
    assert default_widths(10_000) == (256, 128, 32)
    assert default_widths(2) == (8, 4, 1)  # never as many as there are: they could be copied


def test_tied_weights_are_one_tensor_and_half_the_numbers() -> None:
    free, tied = (DenseAutoencoder(DenseSettings(hidden=(16, 4), tied_weights=tied), (1, 24)) for tied in (False, True))
    for down, up in tied.stages():
        encoder, decoder = (next(iter(part.parameters())) for part in (down, up))
        assert encoder is decoder
    sizes = {model: sum(number.numel() for number in model.parameters()) for model in (free, tied)}
    assert sizes[free] - sizes[tied] == 24 * 16 + 16 * 4


def test_tied_weights_stay_tied_while_they_learn() -> None:
    model = fitted("dense, tied")
    assert isinstance(model, DenseAutoencoder)
    before = built("dense, tied").state_dict()
    for down, up in model.stages():
        assert next(iter(down.parameters())) is next(iter(up.parameters()))
    assert not torch.equal(before["encoder.2.weight"], model.state_dict()["encoder.2.weight"])


def test_a_fully_convolutional_code_moves_with_the_window() -> None:
    """What a dense bottleneck cannot do: the same event later gives the same code later."""
    model = built("conv, fully", (2, 48)).eval()
    windows = torch.zeros(2, 2, 48)
    windows[0, :, 16], windows[1, :, 24] = 1.0, 1.0
    with torch.inference_mode():
        first, second = (code.unflatten(0, (2, 12)) for code in model.encode(windows))  # [maps, samples / 4]
    torch.testing.assert_close(first[:, 2:8], second[:, 4:10])


def test_the_residual_encoder_is_stronger_than_its_decoder() -> None:
    model = FAMILIES["residual"].build(ResidualSettings(), (1, 128))
    encoder, decoder = (
        sum(number.numel() for number in part.parameters()) for part in model.children() if list(part.parameters())
    )
    assert encoder > 2 * decoder


def test_an_lstm_tells_windows_of_different_order_apart() -> None:
    model = built("lstm").eval()
    windows = normal_features(1, (2, 24))
    with torch.inference_mode():
        assert not torch.allclose(model.encode(windows), model.encode(windows.flip(2)))


def test_pca_equals_the_singular_value_decomposition() -> None:
    train = normal_features(60, (2, 10)) * torch.linspace(0.1, 3, 10)
    model = Pca(PcaSettings(components=4), (2, 10))
    fit_pca(model, train, train[:5], QUICK, 0, ignore)

    flat = train.flatten(1).double().numpy()
    mean = flat.mean(axis=0)
    _, _, directions = np.linalg.svd(flat - mean, full_matrices=False)
    unseen = normal_features(7, (2, 10), seed=9)
    centred = unseen.flatten(1).double().numpy() - mean
    expected = centred @ directions[:4].T @ directions[:4] + mean
    np.testing.assert_allclose(model(unseen).flatten(1).numpy(), expected, atol=1e-5)


def test_pca_keeps_as_many_components_as_the_variance_asks_for() -> None:
    rng = np.random.default_rng(0)
    spread = np.array([10.0, 5.0, 1.0, 0.1, 0.1])  # variances 100, 25, 1, ...: two explain more than 98 %
    train = torch.from_numpy((rng.normal(size=(4000, 1, 5)) * spread).astype(np.float32))
    counts = {}
    for wanted in (0.5, 0.98, 0.999, 3, 50):
        model = Pca(PcaSettings(components=wanted), (1, 5))
        fit_pca(model, train, train, QUICK, 0, ignore)
        counts[wanted] = model.describe()["components"]
    # never all of them: without a residual there is nothing to alarm on
    assert counts == {0.5: 1, 0.98: 2, 0.999: 3, 3: 3, 50: 4}


def test_an_artifact_names_no_folder_of_the_machine_that_made_it() -> None:
    artifact = compiled("dense").to_bytes(manifest_of())
    folder = str(ROOT).encode()
    with zipfile.ZipFile(io.BytesIO(artifact)) as archive:
        assert not [name for name in archive.namelist() if folder in archive.read(name)]
