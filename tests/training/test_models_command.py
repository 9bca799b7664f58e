"""`residuald models`: what a person sees of versions, and what becomes of a fit into a folder that has a model."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitor.adapters.artifacts.candidates import candidates_in
from monitor.adapters.artifacts.lock import locked
from monitor.adapters.artifacts.versions import version_in_use, versions_in
from monitor.cli import main as residuald
from monitor.core.artifact.proposal import Check, Proposal
from tests.configurations import SINE
from tests.sines import sine_recording, write_npz
from trainer.cli import main as trainer

HOLDS = Check(name="budget", holds=True, found=1.0, bound=1.5, text="as many false alarms as before")
FAILS = Check(name="recall", holds=False, found=0.7, bound=0.85, text="slow ramps are found less often")


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model `sine` that was fitted twice, and once more by another name."""
    folder = tmp_path_factory.mktemp("fitted")
    for seed, name in enumerate(("sine", "sine", "pump")):
        data = write_npz(folder / f"{seed}.npz", sine_recording(3000, seed=seed))
        options = ["--family", "pca", "--window", "64", "--seed", str(seed)]
        assert trainer(["fit", "--data", str(data), "--out", str(folder / name), *options]) == 0
    (folder / "monitor.toml").write_text(SINE)
    return folder


@pytest.fixture
def model(fitted: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(fitted, tmp_path / "copy", symlinks=True)) / "sine"


def waiting(model: Path) -> str:
    """The version that waits."""
    return candidates_in(model)[0].version


def check(model: Path, *checks: Check) -> None:
    """Let the candidate's proposal be that of a refit that found this."""
    proposal = candidates_in(model)[0].proposal
    assert proposal is not None
    told = Proposal.model_validate(proposal.model_dump() | {"by": "refit", "checks": checks, "at": datetime.now(UTC)})
    (model / "candidates" / f"{proposal.version}.json").write_text(told.model_dump_json())


def models(*arguments: object) -> int:
    return residuald(["models", *map(str, arguments)])


def listed(model: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    capsys.readouterr()
    assert models("list", model, "--json") == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


def test_a_second_fit_waits_until_a_person_promotes_it(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = version_in_use(model), waiting(model)
    assert models("list", model) == 0
    assert f"{second} waits: nobody compared it with the version in use" in capsys.readouterr().out
    assert models("promote", model) == 0
    assert f"-> {second}.pt, generation 2" in capsys.readouterr().out
    assert version_in_use(model) == second
    found = listed(model, capsys)
    assert (found["generation"], found["candidate"], found["anchor"]) == (2, None, [first])
    assert models("rollback", model) == 0
    assert f"-> {first}.pt, generation 3" in capsys.readouterr().out
    assert version_in_use(model) == first
    assert models("rollback", model) == 0  # back from where it came
    assert version_in_use(model) == second


def test_two_versions_stand_side_by_side_with_what_was_checked(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check(model, HOLDS, FAILS)
    assert models("compare", model) == 0
    out = capsys.readouterr().out
    assert f"{version_in_use(model)}" in out
    assert "threshold" in out
    assert FAILS.text in out
    assert models("compare", model, "--json") == 0
    one, other = json.loads(capsys.readouterr().out)
    assert (one["version"], other["version"]) == (version_in_use(model), waiting(model))
    assert [each["holds"] for each in other["checks"]] == [True, False]
    assert models("show", model, waiting(model)) == 0
    assert "to calibrate" in capsys.readouterr().out


def test_unless_waiting_promotes_only_what_nothing_speaks_against(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = version_in_use(model), waiting(model)
    check(model, HOLDS, FAILS)
    assert models("promote", model, "--unless-waiting") == 75
    assert FAILS.text in capsys.readouterr().err
    check(model, HOLDS)
    assert models("freeze", model, "--note", "inspection") == 0
    assert models("promote", model, "--unless-waiting") == 75
    assert "the model is frozen" in capsys.readouterr().err
    assert models("list", model) == 0
    assert "frozen (inspection)" in capsys.readouterr().out
    assert version_in_use(model) == first
    assert models("unfreeze", model) == 0
    assert models("promote", model, "--unless-waiting") == 0
    assert version_in_use(model) == second
    generation = json.loads((model / "generation.json").read_text())
    assert (generation["by"], generation["why"]) == ("gate", "promoted")


def test_a_person_may_move_the_anchor_along(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    second = waiting(model)
    assert models("promote", model, "--as-anchor") == 0
    found = listed(model, capsys)
    assert found["anchor"] == [second]
    assert json.loads((model / "generation.json").read_text())["why"] == "accepted"


def test_a_damaged_candidate_is_not_put_into_use(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = version_in_use(model), waiting(model)
    file = model / "candidates" / f"{second}.pt"
    file.write_bytes(file.read_bytes()[:-1000])
    assert models("promote", model) == 66
    assert "is not the file that was checked" in capsys.readouterr().err
    assert version_in_use(model) == first
    assert not (model / f"{second}.pt").exists()


def test_an_artifact_of_another_model_is_not_put_into_use(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pump = (model.parent / "pump" / "current").resolve()
    shutil.copy(pump, model)
    assert models("promote", model, pump.stem) == 66
    assert "is an artifact of model 'pump', not of 'sine'" in capsys.readouterr().err
    assert models("promote", model, pump.stem, "--config", model.parent / "monitor.toml") == 66
    assert version_in_use(model) != pump.stem


def test_where_somebody_else_changes_the_folder_nothing_is_changed(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = version_in_use(model)
    with locked(model):
        for action in ("promote", "rollback", "freeze", "prune"):
            assert models(action, model) == 75
            assert "somebody else is changing" in capsys.readouterr().err
    assert version_in_use(model) == first


def test_a_configuration_names_the_models_and_whose_artifacts_are_taken(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, key = model.parent / "monitor.toml", model.parent / "key"
    assert models("list", "--config", config) == 0
    assert str(waiting(model)) in capsys.readouterr().out
    assert trainer(["keygen", str(key)]) == 0
    config.write_text(SINE + '[artifacts]\nrequire_signature = true\ntrusted_keys = ["key.pub"]\n')
    assert models("promote", model, "--config", config) == 66
    assert "no signature that can be read" in capsys.readouterr().err
    assert trainer(["sign", str(model / "candidates" / f"{waiting(model)}.pt"), "--key", str(key)]) == 0
    assert models("promote", model, "--config", config) == 0
    first, second = versions_in(model)
    # a first version that nobody signed, and then a roll-back to it that nobody signed
    assert models("rollback", model, "--config", config) == 66
    assert "no signature that can be read" in capsys.readouterr().err
    assert trainer(["sign", str(model / f"{first}.pt"), "--key", str(key)]) == 0
    assert models("rollback", model, "--config", config) == 66
    assert "give --key FILE" in capsys.readouterr().err
    assert version_in_use(model) == second
    assert models("rollback", model, "--config", config, "--key", key) == 0
    assert version_in_use(model) == first


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("list", "{model}/nowhere"), 66, "this is no model's folder"),
        (("list",), 78, "name a model's folder, or give --config"),
        (("show", "{model}", "../1"), 66, "there is no version '../1' here; there is "),
        (("promote", "{model}", "1"), 66, "there is no version '1' here; there is "),
        (("rollback", "{model}"), 66, "it is not written down what was in use before"),
        (("rollback", "{model}", "1", "--key", "{model}/current"), 77, "no Ed25519 private key"),
    ],
)
def test_what_cannot_be_done_is_told_with_what_to_do(
    model: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, text: str
) -> None:
    before = (model / "current").readlink()
    assert models(*(each.format(model=model) for each in arguments)) == code
    assert text in capsys.readouterr().err
    assert (model / "current").readlink() == before


def test_versions_that_nobody_needs_are_named_before_they_go(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert models("promote", model) == 0
    for number in range(3):
        shutil.copy((model / "current").resolve(), model / f"2001010{number}T000000Z-00000000.pt")
    capsys.readouterr()
    assert models("prune", model, "--dry-run") == 0
    assert "would remove 20010100T000000Z-00000000, 20010101" in capsys.readouterr().out
    assert models("prune", model) == 0
    assert len(listed(model, capsys)["versions"]) == 2  # type: ignore[arg-type]
