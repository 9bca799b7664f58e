"""What every engine's scorer does: numbers for windows, whatever they hold, and nothing to what it was given."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch

from monitor.adapters.engines.loader import load_artifact
from monitor.adapters.engines.settings import ScoringConfig
from monitor.core.values.scorer import Floats32, ScoreBatch, Scorer
from tests.sines import sine_recording, write_npz
from trainer.cli import main

ENGINES = get_args(ScoringConfig.model_fields["engine"].annotation)
CHANNELS, LENGTH = 2, 50
NORMALIZATIONS = ("fixed", "template")  # of the second kind the centre is a whole window


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model for every engine, one for each shape of the centre."""
    folder = tmp_path_factory.mktemp("models")
    data = write_npz(folder / "normal.npz", sine_recording(4000, seed=1))
    options = ("--family", "conv", "--representation", "raw", "--window", LENGTH, "--stride", 25, "--onnx")
    config = folder / "fit.toml"
    config.write_text("[training]\nmax_epochs = 2\n[normalization]\nwarmup_windows = 8\n")
    for kind in NORMALIZATIONS:
        arguments = ("fit", "--data", data, "--config", config, "--normalization", kind, *options)
        assert main([*map(str, arguments), "--out", str(folder / kind)]) == 0
    return {kind: folder / kind for kind in NORMALIZATIONS}


@pytest.fixture(scope="module", params=NORMALIZATIONS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module", params=ENGINES)
def scorer(request: pytest.FixtureRequest, models: dict[str, Path], kind: str) -> Iterator[Scorer]:
    threads = torch.get_num_threads()
    engine = ScoringConfig.model_validate({"engine": request.param, "device": "cpu"})
    yield load_artifact(models[kind], engine, max_batch=8).scorer
    torch.set_num_threads(threads)  # it is of the whole process


def inputs(count: int, kind: str, seed: int = 0) -> tuple[Floats32, Floats32, Floats32]:
    """Windows [B, C, L], centre [B, C] or [B, C, L], and scale [B, C]."""
    rng = np.random.default_rng(seed)
    windows = rng.normal(10, 3, (count, CHANNELS, LENGTH)).astype(np.float32)
    shape = (count, CHANNELS, LENGTH) if kind == "template" else (count, CHANNELS)
    return windows, rng.normal(10, 1, shape).astype(np.float32), rng.uniform(1, 3, (count, CHANNELS)).astype(np.float32)


def assert_close(found: ScoreBatch, expected: ScoreBatch) -> None:
    np.testing.assert_allclose(found.error, expected.error, rtol=1e-4)
    np.testing.assert_allclose(found.channel_error, expected.channel_error, rtol=1e-4)


@pytest.mark.parametrize("count", [0, 1, 3, 17])
def test_each_window_has_an_error_and_each_of_its_channels_has_one(scorer: Scorer, kind: str, count: int) -> None:
    scores = scorer.score(*inputs(count, kind))
    assert scores.error.dtype == scores.channel_error.dtype == np.float32
    assert scores.error.shape == (count,)
    assert scores.channel_error.shape == (count, CHANNELS)
    assert (scores.channel_error >= 0).all()
    np.testing.assert_allclose(scores.channel_error.mean(axis=1), scores.error, rtol=1e-4)


def test_windows_score_the_same_alone_and_together(scorer: Scorer, kind: str) -> None:
    given = inputs(9, kind)
    alone = [scorer.score(*(each[at : at + 1] for each in given)) for at in range(9)]
    assert_close(ScoreBatch.join(alone), scorer.score(*given))


def test_what_is_given_is_left_as_it_was(scorer: Scorer, kind: str) -> None:
    given = inputs(5, kind)
    copies = [each.copy() for each in given]
    scorer.score(*given)
    for each, copy in zip(given, copies, strict=True):
        np.testing.assert_array_equal(each, copy)


def test_scores_outlive_the_next_call(scorer: Scorer, kind: str) -> None:
    first = scorer.score(*inputs(5, kind, seed=1))
    kept = ScoreBatch(first.error.copy(), first.channel_error.copy())
    scorer.score(*inputs(5, kind, seed=2))
    np.testing.assert_array_equal(first.error, kept.error)
    np.testing.assert_array_equal(first.channel_error, kept.channel_error)


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf, 3e38])
def test_a_window_of_any_values_spoils_only_its_own_error_and_raises_nothing(
    scorer: Scorer, kind: str, poison: float
) -> None:
    windows, centre, scale = inputs(5, kind)
    clean = scorer.score(windows, centre, scale)
    windows[2, 1, 7] = poison
    spoiled = scorer.score(windows, centre, scale)
    assert not np.isfinite(spoiled.error[2])
    others = np.array([0, 1, 3, 4])
    assert_close(
        ScoreBatch(spoiled.error[others], spoiled.channel_error[others]),
        ScoreBatch(clean.error[others], clean.channel_error[others]),
    )


def test_arrays_that_are_broadcast_read_only_or_strided_are_taken_as_others_are(scorer: Scorer, kind: str) -> None:
    windows, centre, scale = inputs(6, kind)
    rows = [np.broadcast_to(each[:1], each.shape) for each in (centre, scale)]
    strided: Any = np.ascontiguousarray(windows.transpose(2, 1, 0)).transpose(2, 1, 0)
    strided.flags.writeable = False
    assert not strided.flags.c_contiguous
    assert_close(scorer.score(strided, *rows), scorer.score(windows, *(np.array(each) for each in rows)))
