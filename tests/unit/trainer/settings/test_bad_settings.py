"""Settings that cannot be used: of each file everything that is wrong is told at once, in the daemon's words.

Each file of `tests/settings_bad` starts with the problems that it must be refused for, as `# expect:` lines.
"""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from monitor.settings.problems import describe
from tests.bad_files import expected_problems
from tests.repository import ROOT
from trainer import cli
from trainer.errors import SettingsError
from trainer.settings import FitSettings, load_settings

BAD = sorted((ROOT / "tests" / "settings_bad").glob("*.toml"))


def problems_of(path: Path | None, overrides: dict[str, Any] | None = None) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_settings(path, overrides or {})
    return caught.value.problems


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_everything_that_is_wrong_is_told_and_nothing_else(path: Path) -> None:
    assert sorted(problems_of(path)) == sorted(expected_problems(path))


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_fit_with_bad_settings_ends_before_it_reads_data(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    no_data = str(tmp_path / "none.npz")
    assert cli.main(["fit", "--data", no_data, "--out", str(tmp_path / "m"), "--config", str(path)]) == 78
    shown = capsys.readouterr()
    first, *others = shown.err.splitlines()
    assert first == f"residuald-trainer: {path}: {len(expected_problems(path))} problem(s)"
    assert sorted(others) == sorted(f"  {problem}" for problem in expected_problems(path))
    assert shown.out == ""


def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    assert problems_of(tmp_path / "none.toml") == ["cannot be read: No such file or directory"]


def test_options_without_a_file_are_told_as_of_the_command_line() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(None, {"window.length": 1, "model.family": "gru"})
    assert str(caught.value).splitlines() == [
        "command line: 2 problem(s)",
        "  window.length: must be greater than or equal to 2, not 1",
        "  model.family: 'gru' is not one of dense, conv, conv2d, residual, lstm, pca",
    ]


def test_an_option_below_a_value_that_is_no_section_hides_no_other_problem(tmp_path: Path) -> None:
    path = tmp_path / "fit.toml"
    path.write_text("window = 3\nsed = 1")
    assert problems_of(path, {"window.length": 4}) == [
        "window: must be a section of keys, not 3",
        "sed: unknown key; did you mean 'seed'?",
    ]


@pytest.mark.parametrize("key", [key for key in FitSettings.model_fields if key != "seed"])
def test_a_preset_leaves_a_value_in_the_place_of_a_section_to_its_check(tmp_path: Path, key: str) -> None:
    path = tmp_path / "fit.toml"
    path.write_text(f"{key} = 3")
    with pytest.raises(SettingsError, match=f"{key}: must be"):
        load_settings(path, {}, {f"{key}.kind": "raw"})


toml_keys = st.sampled_from(["kind", "family", "name", "hidden", "components", "raw", "pca"]) | st.text(max_size=10)
toml_values = st.recursive(
    st.one_of(st.booleans(), st.integers(), st.floats(), st.text(max_size=10), st.sampled_from(["raw", "pca", "conv"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(toml_keys, inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(list(FitSettings.model_fields)) | st.text(max_size=10), toml_values))
def test_whatever_a_table_holds_its_problems_are_told_and_nothing_else_is_raised(table: dict[str, object]) -> None:
    try:
        FitSettings.model_validate(table)
    except ValidationError as error:
        problems = describe(error, FitSettings)
        assert problems
        assert all(problem and len(problem.splitlines()) == 1 for problem in problems)
