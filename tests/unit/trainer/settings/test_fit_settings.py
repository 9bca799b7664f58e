"""Settings that exist are valid; everything wrong is told at once, by its dotted path."""

from pathlib import Path

import pytest

from trainer.errors import SettingsError
from trainer.settings import ConvSettings, DenseSettings, FitSettings, load_settings


def write(folder: Path, text: str) -> Path:
    path = folder / "fit.toml"
    path.write_text(text)
    return path


def test_defaults_need_no_file() -> None:
    assert load_settings(None, {}) == FitSettings()
    assert isinstance(load_settings(None, {}).model, DenseSettings)


def test_command_line_values_win_over_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, 'seed = 3\n[window]\nlength = 64\nstride = 8\n[model]\nfamily = "conv"\nfeatures = [4, 8]\n')
    settings = load_settings(path, {"seed": 5, "window.length": 128})
    assert (settings.seed, settings.window.length, settings.window.stride) == (5, 128, 8)
    assert settings.model == ConvSettings(features=(4, 8))


def test_a_model_without_a_family_is_dense(tmp_path: Path) -> None:
    assert load_settings(write(tmp_path, "[model]\nhidden = [16, 4]\n"), {}).model == DenseSettings(hidden=(16, 4))


def test_a_rule_without_a_setting_takes_the_rules_own_default(tmp_path: Path) -> None:
    defaults = [
        load_settings(None, {"calibration.rule": rule}).calibration.number for rule in ("quantile", "mean_std", "mad")
    ]
    assert defaults == [0.995, 4.0, 6.0]


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("sed = 1", ["sed: unknown key"]),
        ("[windows]\nlength = 3", ["windows: unknown key"]),
        (
            "[window]\nlength = 1\nstride = 0\nwidth = 3",
            ["window.length: ", "window.stride: ", "window.width: unknown key"],
        ),
        ('[model]\nfamily = "gru"', ["model: Input tag 'gru'"]),
        ('[model]\nfamily = "pca"\nhidden = [3]', ["model.hidden: unknown key"]),
        ('[model]\nfamily = "pca"\ncomponents = 1.5', ["model.components: "]),
        ('[model]\nfamily = "conv"\nkernel_samples = 4', ["model.kernel_samples: must be odd"]),
        (
            '[calibration]\nrule = "quantile"\nsetting = 5.0',
            ["calibration: for rule `quantile`, `setting` is a level between 0 and 1"],
        ),
        ("[calibration]\nsetting = 4.0", ["calibration: `setting` belongs to the other rules"]),
        ('[calibration]\nfalse_alarms = "rarely"', ["calibration.false_alarms: 'rarely' is no budget"]),
        (
            '[calibration]\nrule = "mad"\nfalse_alarms = "1 per 7d"',
            ["calibration: `false_alarms` belongs to rule `budget`, not to `mad`"],
        ),
        ("[calibration.judge]\nk = 4", ["calibration.judge: k (4) must not exceed n (3)"]),
        ("[calibration]\nsetting = nan", ["calibration.setting: "]),
        ('[[channel]]\nname = "a b"', ["channel.0.name: "]),
        ('[[channel]]\nname = "a"\n[[channel]]\nname = "a"', ["channel: 'a' is listed twice"]),
        ("[split]\nvalidation = 0.7", ["split.validation: "]),
        ("window = 3", ["window: "]),
        ("seed = ", ["Invalid value"]),
    ],
)
def test_every_problem_is_listed_with_its_path(tmp_path: Path, text: str, problems: list[str]) -> None:
    path = write(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        load_settings(path, {})
    assert len(caught.value.problems) == len(problems)
    for found, expected in zip(caught.value.problems, problems, strict=True):
        assert found.startswith(expected)
    assert str(path) in str(caught.value)


def test_an_option_cannot_reach_into_a_value_that_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"window: must be a table"):
        load_settings(write(tmp_path, "window = 3"), {"window.length": 4})


def test_a_file_that_is_not_there_is_a_settings_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        load_settings(tmp_path / "none.toml", {})
