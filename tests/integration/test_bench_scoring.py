"""The scoring benchmark on a small model; and that contestants which compute something else make it void."""

from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from benchmarks.common.artifacts import artifact_folder
from benchmarks.common.workloads import W1
from benchmarks.scoring import scoring
from benchmarks.scoring.scorers import EAGER, FORWARD, RESIDUALD, RESIDUALD_ONNX, SESSION, Call, Inputs, Loaded, load

pytestmark = pytest.mark.integration

SMALL = replace(W1.parts[0], name="lab", window=40, stride=40, fit='family = "dense"\nhidden = [16, 4]\n')


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    return load(artifact_folder(SMALL, onnx=True))


def measured(loaded: Loaded) -> scoring.Measured:
    return scoring._measure("small", loaded, 1, 0.001, Console(quiet=True))


def test_every_way_to_score_is_timed_at_every_batch_and_all_agree(loaded: Loaded) -> None:
    found = measured(loaded)
    assert found.void == []
    assert {RESIDUALD, RESIDUALD_ONNX, FORWARD, SESSION, EAGER} <= set(found.rates)
    for spreads in found.rates.values():
        assert set(spreads) == set(scoring.BATCHES)
        assert all(spread.low > 0 for spread in spreads.values())
    assert found.chosen[RESIDUALD] in scoring.BATCHES


def test_a_contestant_that_computes_something_else_makes_the_run_void(loaded: Loaded) -> None:
    def cheating(inputs: Inputs) -> Call:
        return lambda: np.zeros(len(inputs[0]), np.float32)

    found = measured(replace(loaded, contestants={**loaded.contestants, SESSION: cheating}))
    assert found.void
    assert all(SESSION in reason for reason in found.void)
