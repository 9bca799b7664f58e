"""How a settings file, the command line and a preset become settings."""

from pathlib import Path

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


def test_a_preset_yields_to_the_file_and_to_the_command_line(tmp_path: Path) -> None:
    path = write(tmp_path, '[normalization]\nkind = "window"\n')
    preset = {"normalization.kind": "stream", "normalization.warmup_windows": 9, "window.length": 32}
    settings = load_settings(path, {"window.length": 64}, preset)
    assert (settings.normalization.kind, settings.normalization.warmup_windows) == ("window", 9)
    assert settings.window.length == 64
