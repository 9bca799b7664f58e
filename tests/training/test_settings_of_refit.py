"""A refit has the windows, the representation and the network of its parent, whatever the data would decide anew."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.histories import SETTINGS, machine
from tests.sines import data_file
from trainer.data.gathering import gather
from trainer.fitting.fit import fit
from trainer.refit.settings_of_refit import settings_of_refit
from trainer.settings import FitSettings

CASES: list[dict[str, Any]] = [
    {"model": {"family": "pca", "components": 0.8}, "representation": None},
    {"model": {"family": "dense"}, "score": {"residual": "covariance"}},
    {"model": {"family": "conv", "features": [4]}},
    {"model": {"family": "lstm", "units": 4}},
    {"model": {"family": "dense", "hidden": [8, 4]}, "representation": {"kind": "spectrum"}},
    {"model": {"family": "pca"}, "normalization": {"kind": "stream", "warmup_windows": 10}},
    {"model": {"family": "pca"}, "calibration": {"rule": "quantile", "setting": 0.99}},
    {"model": {"family": "pca"}, "normalization": {"kind": "window"}},
]


def fitted(settings: FitSettings) -> Any:
    file = data_file(machine(2, 1), "m1.npz")
    return fit(gather([file], settings), settings, "motor", datetime(2026, 1, 1, tzinfo=UTC), lambda *_: None).manifest


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("kept", [True, False])
def test_a_refit_is_made_as_its_parent_was(case: dict[str, Any], kept: bool) -> None:
    table = SETTINGS.model_dump(exclude_unset=True) | {"training": {"max_epochs": 1}} | case
    settings = FitSettings.model_validate({key: value for key, value in table.items() if value is not None})
    parent = fitted(settings)
    again = fitted(settings_of_refit(parent, settings if kept else None, onnx=False))
    same = {
        "channels",
        "window",
        "family",
        "settings",
        "representation",
        "representation_settings",
        "score",
        "training",
    }
    assert again.model_dump(include=same) == parent.model_dump(include=same)
    assert again.parameters == parent.parameters
    assert again.calibration.rule == parent.calibration.rule
    assert again.threshold == pytest.approx(parent.threshold, rel=1e-4)
