"""One contract, kept by every model family: as a module, compiled, exported, frozen and loaded again."""

import io
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.manifests import manifest_of
from trainer.error_definition import ErrorDefinition
from trainer.export import CompiledScorer, WindowScorer
from trainer.models import FAMILIES
from trainer.models.autoencoder import Autoencoder
from trainer.models.dense import default_widths
from trainer.models.pca import Pca, fit_pca
from trainer.representations.raw import Raw
from trainer.settings import ConvSettings, DenseSettings, PcaSettings, TrainingSettings
from trainer.windows import Windows

SETTINGS = {
    "dense": DenseSettings(),
    "conv": ConvSettings(),
    "pca": PcaSettings(components=3),
}
QUICK = TrainingSettings(max_epochs=2)


def ignore(done: int, train: float, validation: float) -> None:
    pass


def normal_windows(count: int, channels: int, length: int, seed: int = 0) -> Tensor:
    return torch.randn(count, channels, length, generator=torch.Generator().manual_seed(seed))


def fitted(name: str, channels: int = 2, length: int = 24) -> Autoencoder:
    torch.manual_seed(1)
    model = FAMILIES[name].build(SETTINGS[name], (channels, length))
    train, validation = normal_windows(40, channels, length), normal_windows(10, channels, length, seed=1)
    FAMILIES[name].fit(model, train, validation, QUICK, 0, ignore)
    return model.eval()


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


def test_every_family_of_the_settings_is_registered() -> None:
    assert set(FAMILIES) == set(SETTINGS)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize(("channels", "length"), [(1, 2), (1, 3), (3, 7), (2, 64), (1, 141)])
def test_the_reconstruction_has_the_shape_of_the_input(name: str, channels: int, length: int) -> None:
    model = fitted(name, channels, length)
    x = normal_windows(5, channels, length)
    with torch.inference_mode():
        assert model(x).shape == x.shape


@pytest.mark.parametrize("name", FAMILIES)
def test_the_compiled_module_computes_what_the_eager_one_computes(name: str) -> None:
    model, windows = fitted(name), raw_windows()
    error, channel_error = CompiledScorer.compile(scorer_of(model)).errors(windows)
    with torch.inference_mode():
        eager_error, eager_channel_error = scorer_of(model)(*tensors(windows))
    np.testing.assert_allclose(error, eager_error.numpy(), rtol=1e-5)
    np.testing.assert_allclose(channel_error, eager_channel_error.numpy(), rtol=1e-5)


@pytest.mark.parametrize("name", FAMILIES)
def test_errors_are_mean_squares_of_the_normalized_residual(name: str) -> None:
    model, windows = fitted(name), raw_windows()
    scorer = CompiledScorer.compile(scorer_of(model))
    error, channel_error = scorer.errors(windows)
    residual = (scorer.reconstruct(windows) - windows.values) / windows.scale[:, :, None]
    np.testing.assert_allclose(channel_error, (residual**2).mean(axis=2), rtol=1e-3)
    np.testing.assert_allclose(error, channel_error.mean(axis=1), rtol=1e-5)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_a_window_that_is_not_finite_spoils_only_its_own_error(name: str, poison: float) -> None:
    scorer, windows = CompiledScorer.compile(scorer_of(fitted(name))), raw_windows()
    clean = scorer.errors(windows)[0]
    windows.values[4, 1, 3] = poison
    spoiled = scorer.errors(windows)[0]
    assert not np.isfinite(spoiled[4])
    np.testing.assert_allclose(np.delete(spoiled, 4), np.delete(clean, 4), rtol=1e-6)


@pytest.mark.parametrize("name", FAMILIES)
def test_batches_of_any_size_give_the_same_errors(name: str) -> None:
    scorer, windows = CompiledScorer.compile(scorer_of(fitted(name))), raw_windows()
    one_by_one = np.concatenate([scorer.errors(windows[np.array([index])])[0] for index in range(len(windows))])
    np.testing.assert_allclose(one_by_one, scorer.errors(windows)[0], rtol=1e-5)
    assert scorer.errors(windows[np.zeros(len(windows), bool)])[0].shape == (0,)


@pytest.mark.parametrize("name", FAMILIES)
def test_both_methods_survive_freezing_and_a_round_through_bytes(name: str) -> None:
    windows = raw_windows()
    scorer = CompiledScorer.compile(scorer_of(fitted(name)))
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


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_describes_itself_without_anything_left_open(name: str) -> None:
    assert None not in fitted(name).describe().values()


def test_dense_widths_scale_with_the_input() -> None:
    assert default_widths(140) == (64, 32, 8)
    assert default_widths(10_000) == (256, 128, 32)
    assert default_widths(2) == (8, 4, 2)


def test_pca_equals_the_singular_value_decomposition() -> None:
    train = normal_windows(60, 2, 10) * torch.linspace(0.1, 3, 10)
    model = Pca(PcaSettings(components=4), 2, 10)
    fit_pca(model, train, train[:5], QUICK, 0, ignore)

    flat = train.flatten(1).double().numpy()
    mean = flat.mean(axis=0)
    directions = np.linalg.svd(flat - mean, full_matrices=False)[2][:4]
    unseen = normal_windows(7, 2, 10, seed=9)
    centred = unseen.flatten(1).double().numpy() - mean
    expected = centred @ directions.T @ directions + mean
    np.testing.assert_allclose(model(unseen).flatten(1).numpy(), expected, atol=1e-5)


def test_pca_keeps_as_many_components_as_the_variance_asks_for() -> None:
    rng = np.random.default_rng(0)
    spread = np.array([10.0, 5.0, 1.0, 0.1, 0.1])  # variances 100, 25, 1, ...: two explain more than 98 %
    train = torch.from_numpy((rng.normal(size=(4000, 1, 5)) * spread).astype(np.float32))
    counts = {}
    for wanted in (0.5, 0.98, 0.999, 3, 50):
        model = Pca(PcaSettings(components=wanted), 1, 5)
        fit_pca(model, train, train, QUICK, 0, ignore)
        counts[wanted] = model.describe()["components"]
    # never all of them: without a residual there is nothing to alarm on
    assert counts == {0.5: 1, 0.98: 2, 0.999: 3, 3: 3, 50: 4}


def test_an_artifact_names_no_folder_of_the_machine_that_made_it() -> None:
    artifact = CompiledScorer.compile(scorer_of(fitted("dense"))).to_bytes(manifest_of())
    folder = str(Path(__file__).parents[2]).encode()
    with zipfile.ZipFile(io.BytesIO(artifact)) as archive:
        assert not [name for name in archive.namelist() if folder in archive.read(name)]
