"""`docs/models.md` tells of every family and every setting, and its examples are valid settings."""

import re
import tomllib
from pathlib import Path

import pytest

from monitor.settings.section import Section
from tests.repository import ROOT
from trainer.cli import FAMILY_LINES, FIT
from trainer.models import FAMILIES
from trainer.settings import FitSettings, load_settings
from trainer.settings import training as training_settings
from trainer.settings.model import PcaSettings, TrainedSettings

PAGE = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)
SECTIONS: list[type[Section]] = [
    *TrainedSettings.__args__,
    PcaSettings,
    *(
        each
        for each in vars(training_settings).values()
        if isinstance(each, type) and issubclass(each, Section) and each is not Section
    ),
]


def settings_named() -> set[str]:
    return {name for section in SECTIONS for name in section.model_fields}


@pytest.mark.parametrize("name", sorted(settings_named()))
def test_the_page_tells_when_to_use_each_setting(name: str) -> None:
    assert f"`{name}`" in PAGE or f"`[training.{name}]`" in PAGE


@pytest.mark.parametrize(
    "value", ["gaussian", "masking", "l1", "kl", "mse", "rmse", "huber", "relu", "gelu", "sigmoid"]
)
def test_the_page_tells_when_to_use_each_choice(value: str) -> None:
    assert f"`{value}`" in PAGE


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_has_its_line(family: str) -> None:
    assert re.search(rf"^\| `{family}` \|", PAGE, flags=re.MULTILINE)


def test_the_command_line_lists_every_family() -> None:
    assert set(FAMILY_LINES) == set(FAMILIES)
    assert all(re.search(rf"^  {name} +\w", FIT, flags=re.MULTILINE) for name in FAMILIES)


@pytest.mark.parametrize("example", EXAMPLES)
def test_each_example_is_accepted(tmp_path: Path, example: str) -> None:
    file = tmp_path / "fit.toml"
    file.write_text(example)
    assert load_settings(file, {}) != FitSettings()
    assert tomllib.loads(example)


def test_each_option_of_the_training_has_an_example() -> None:
    shown = {section for example in EXAMPLES for section in tomllib.loads(example).get("training", {})}
    assert {"denoising", "sparse", "contractive", "variational", "latent_consistency", "loss"} <= shown
    assert "pretraining_epochs" in shown
