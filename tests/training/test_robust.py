"""Windows that do not belong are trimmed, all others are kept, and too many are a way of operation."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from trainer.fitting.fit import train_model
from trainer.fitting.robust import RobustFit, fit_robustly, upper_cut
from trainer.models.autoencoder import Autoencoder
from trainer.settings import FitSettings, RobustSettings, load_settings
from trainer.training.loop import History


def sines(count: int, seed: int, pace: float = 1.0) -> Tensor:
    """Features [N, 1, 40]: sines of any phase, slightly noisy."""
    rng = np.random.default_rng(seed)
    at = np.linspace(0, 4 * np.pi, 40) * pace
    values = np.sin(at + rng.uniform(0, 2 * np.pi, (count, 1, 1))) + rng.normal(0, 0.05, (count, 1, 40))
    return torch.from_numpy(values.astype(np.float32))


def settings(family: str = "pca") -> FitSettings:
    return load_settings(None, {"model.family": family, "training.max_epochs": 100})


def fit(train: Tensor, validation: Tensor, robust: RobustSettings, family: str = "pca") -> RobustFit:
    once = partial(train_model, settings=settings(family), on_epoch=lambda *_: None)
    return fit_robustly(train, validation, robust, once)


def contaminated(kind: str) -> tuple[Tensor, Tensor]:
    """400 training windows, of which numbers 100 to 111 do not belong."""
    train = sines(400, seed=1)
    if kind == "loud":
        train[100:112] *= 8
    else:
        train[100:112] = sines(12, seed=2, pace=3.7)
    return train, sines(80, seed=3)


@pytest.mark.parametrize("family", ["pca", "dense"])
@pytest.mark.parametrize("kind", ["loud", "of another frequency"])
def test_windows_that_do_not_belong_are_trimmed_and_hardly_any_others(kind: str, family: str) -> None:
    found = fit(*contaminated(kind), RobustSettings(), family)
    trimmed = np.flatnonzero(~found.kept).tolist()
    assert set(range(100, 112)) <= set(trimmed)
    assert len(trimmed) <= 14
    assert f"{len(trimmed)} of 480 training and validation windows do not belong to the rest" in (found.note or "")


def test_without_them_the_model_is_that_of_clean_data() -> None:
    train, validation = contaminated("loud")
    clean = fit(torch.cat([train[:100], train[112:]]), validation, RobustSettings())
    trimmed, trusting = (fit(train, validation, RobustSettings(trim=trim)) for trim in (0.05, 0.0))
    odd = sines(50, seed=4, pace=3.7)

    def contrast(found: RobustFit) -> float:
        with torch.inference_mode():
            errors = [float((found.model(x) - x).square().mean()) for x in (odd, validation)]
        return errors[0] / errors[1]

    assert contrast(trimmed) == pytest.approx(contrast(clean), rel=1e-3)
    assert contrast(trimmed) >= contrast(trusting)


def test_validation_windows_are_trimmed_too() -> None:
    validation = sines(80, seed=3)
    validation[7] *= 9
    found = fit(sines(400, seed=1), validation, RobustSettings())
    assert np.flatnonzero(~found.kept).tolist() == [407]


def test_normal_windows_of_all_kinds_are_kept() -> None:
    loudness = np.random.default_rng(5).lognormal(0, 0.4, (400, 1, 1)).astype(np.float32)
    found = fit(sines(400, seed=1) * torch.from_numpy(loudness), sines(80, seed=3), RobustSettings())
    assert found.kept.mean() > 0.99


def test_more_than_the_fraction_is_a_way_of_operation() -> None:
    train = sines(400, seed=1)
    train[:40] *= 8
    found = fit(train, sines(80, seed=3), RobustSettings(trim=0.05))
    assert found.kept.all()
    assert found.rounds[0].spared == 40
    assert "40 of 480 training and validation windows lie far from the rest" in (found.note or "")


def test_nothing_to_trim_takes_one_fit_and_no_note() -> None:
    fits: list[tuple[int, int]] = []

    def once(train: Tensor, validation: Tensor) -> tuple[Autoencoder, History]:
        fits.append((len(train), len(validation)))
        return train_model(train, validation, settings(), lambda *_: None)

    clean = fit_robustly(sines(400, seed=1), sines(80, seed=3), RobustSettings(), once)
    assert fits == [(400, 80)]
    assert clean.kept.all()
    assert clean.note is None
    fits.clear()
    fit_robustly(*contaminated("of another frequency"), RobustSettings(trim=0.0), once)
    assert fits == [(400, 80)]


def test_the_cut_follows_the_upper_half_of_the_errors() -> None:
    rng = np.random.default_rng(6)
    errors = np.exp(rng.normal(0, 0.5, 20_000))
    assert upper_cut(errors) == pytest.approx(np.exp(6 * 0.5), rel=0.1)
    errors[:5000] *= 1e-3  # a quarter of the time at rest
    assert upper_cut(errors) < np.exp(6 * 1.5)
