"""The registry lists every family and representation that settings know, and nothing that cannot be built."""

from typing import get_args

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from monitor.core.artifact.normalization_spec import NormalizationKind
from trainer.cli import build_parser
from trainer.registry import FAMILIES, FAMILY_LIST, REPRESENTATION_LIST, REPRESENTATIONS, Family
from trainer.selection.candidates import candidates_for
from trainer.settings.model import FamilySettings
from trainer.settings.representation import RepresentationSettings


def test_families_and_their_settings_are_the_same_and_none_is_listed_twice() -> None:
    assert {name: family.settings for name, family in FAMILIES.items()} == FamilySettings.kinds
    assert len(FAMILIES) == len(FAMILY_LIST)


def test_representations_and_their_settings_are_the_same_and_none_is_listed_twice() -> None:
    union, _ = get_args(RepresentationSettings)
    assert [kind.settings for kind in REPRESENTATION_LIST] == list(get_args(union))
    assert len(REPRESENTATIONS) == len(REPRESENTATION_LIST)


@pytest.mark.parametrize("family", FAMILY_LIST, ids=lambda family: family.name)
def test_each_family_builds_what_gives_features_back_in_their_shape(family: Family) -> None:
    model = family.build(family.settings.model_validate({}), (2, 24)).eval()
    assert model(torch.zeros(3, 2, 24)).shape == (3, 2, 24)


@pytest.mark.parametrize("kind", REPRESENTATIONS)
@pytest.mark.parametrize("units", [None, np.array([1.0, 2.0])])
def test_each_representation_builds_what_it_says_it_does(kind: str, units: NDArray[np.float64] | None) -> None:
    entry = REPRESENTATIONS[kind]
    representation, settings = entry.build(entry.settings(), (2, 64), 0.01, units)
    centre, scale = torch.zeros(3, 2), torch.ones(3, 2)
    assert representation(torch.ones(3, 2, 64), centre, scale).shape == (3, *representation.shape)
    assert None not in settings.model_dump(exclude={"band_hz"}).values()


@pytest.mark.parametrize("kind", REPRESENTATIONS)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("normalization", get_args(NormalizationKind))
def test_the_command_line_takes_each_of_them(kind: str, family: str, normalization: str) -> None:
    options = ["--representation", kind, "--family", family, "--normalization", normalization]
    args = build_parser().parse_args(["fit", "--data", "a.npz", "--out", "models/a", *options])
    assert (args.representation, args.family, args.normalization) == (kind, family, normalization)


def test_only_models_that_there_are_are_tried() -> None:
    tried = [candidate.settings for candidate in candidates_for("sliding")]
    assert {settings["model"]["family"] for settings in tried} <= set(FAMILIES)
    assert {settings["representation"]["kind"] for settings in tried} <= set(REPRESENTATIONS)
