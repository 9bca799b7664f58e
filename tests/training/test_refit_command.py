"""`residuald-trainer refit`: from the daemon's configuration to candidates, reports and exit codes."""

import fcntl
import hashlib
import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import torch

from monitor.adapters.engines.loader import load_artifact
from monitor.adapters.engines.settings import ArtifactsConfig
from monitor.adapters.engines.signature import Trust
from monitor.core.artifact.proposal import Proposal, parse_proposal
from monitor.core.values.instant import written
from monitor.errors import ArtifactError
from tests.histories import SETTINGS, START, machine, write_history
from tests.training.test_refit import DAY, alert, files, label, later, quiet
from trainer.artifact.folder import publish
from trainer.cli import main
from trainer.data.gathering import gather
from trainer.fitting.fit import fit
from trainer.models.pca import Pca
from trainer.refit.anchor import anchor_first_fit
from trainer.refit.refit_lock import LOCK_FILE

CONFIG = """
[[source]]
name = "s"
topic = "plant/{device}"
model = "motor"
format = { kind = "json", timestamp = "ts", rows = "rows" }
[[model]]
name = "motor"
path = "models/motor"
[journal]
path = "journal"
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the model of two machines that were watched for ten days."""
    folder = tmp_path_factory.mktemp("first") / "motor"
    data = files(("m1", "m2"))
    made = fit(gather(data, SETTINGS), SETTINGS, "motor", datetime.fromtimestamp(START + 10 * DAY, UTC), quiet)
    anchor_first_fit(folder, made.manifest, data, SETTINGS)
    publish(folder, made.manifest.version, made.artifact, "<p>report</p>")
    return folder


@pytest.fixture
def plant(tmp_path: Path, model: Path) -> Callable[..., list[str]]:
    """Lay down configuration, model and history; gives the arguments that name them."""

    def laid(recordings: Any = None, **said: Any) -> list[str]:
        shutil.copytree(model, tmp_path / "models" / "motor", symlinks=True, dirs_exist_ok=True)
        (tmp_path / "monitor.toml").write_text(CONFIG)
        (tmp_path / "journal").mkdir(exist_ok=True)
        (tmp_path / "journal" / "history.sqlite").unlink(missing_ok=True)
        write_history(tmp_path / "journal" / "history.sqlite", "motor", recordings or later(), **said)
        return ["refit", "--config", str(tmp_path / "monitor.toml")]

    return laid


def proposal_in(folder: Path) -> tuple[Proposal, Path]:
    (file,) = (folder / "models" / "motor" / "candidates").glob("*.json")
    return parse_proposal(file.read_bytes()), file.with_suffix("")


def test_a_refit_of_normal_data_is_promotable_and_nothing_that_is_in_use_changes(
    plant: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = plant()
    in_use = {path.name: path.read_bytes() for path in (tmp_path / "models" / "motor").iterdir() if path.is_file()}
    assert main(arguments) == 0, capsys.readouterr()
    proposal, stem = proposal_in(tmp_path)
    assert proposal.promotable, proposal.failed
    artifact = stem.with_name(stem.name + ".pt")
    assert hashlib.sha256(artifact.read_bytes()).hexdigest() == proposal.sha256
    page = stem.with_name(stem.name + ".report.html").read_text()
    assert "Everything that was checked holds" in page
    assert "held to a multiple of it" in page
    assert page.count("<img") >= 3
    assert 'src="http' not in page
    out = capsys.readouterr().out
    assert "the daemon takes it up by itself" in out
    assert "not signed" in out
    after = {path.name: path.read_bytes() for path in (tmp_path / "models" / "motor").iterdir() if path.is_file()}
    assert after == in_use


def test_what_the_refit_key_signs_a_daemon_loads_by_its_signed_parent_and_not_without(
    plant: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = plant()
    for name in ("release", "refit"):
        assert main(["keygen", str(tmp_path / name)]) == 0
    folder = tmp_path / "models" / "motor"
    assert main(["sign", str(folder), "--key", str(tmp_path / "release")]) == 0
    assert main([*arguments, "--sign-key", str(tmp_path / "refit")]) == 0, capsys.readouterr()
    assert "not signed" not in capsys.readouterr().out
    proposal, stem = proposal_in(tmp_path)
    trust = Trust(
        ArtifactsConfig(
            require_signature=True, trusted_keys=(tmp_path / "release.pub",), refit_keys=(tmp_path / "refit.pub",)
        )
    )
    file = stem.with_name(f"{stem.name}.pt")
    assert load_artifact(file, max_batch=1, trust=trust).manifest.version == proposal.version
    Path(f"{(folder / 'current').resolve()}.sig").unlink()
    with pytest.raises(ArtifactError, match=r"signed by a refit key.* no signature that can be read"):
        load_artifact(file, max_batch=1, trust=trust)


def encode(self: Any, features: torch.Tensor) -> torch.Tensor:
    """What `Pca.encode` does, written in another way."""
    code: torch.Tensor = features.flatten(1) @ self.components.T - self.mean @ self.components.T
    return code


def test_a_refit_with_another_program_than_its_parent_is_not_signed_and_says_why(
    plant: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = plant()
    assert main(["keygen", str(tmp_path / "refit")]) == 0
    # as after an update that changed what a model computes
    monkeypatch.setattr(Pca, "encode", encode)
    main([*arguments, "--sign-key", str(tmp_path / "refit")])
    assert "it is not signed: a refit key signs new numbers alone" in capsys.readouterr().out
    assert not list((tmp_path / "models" / "motor" / "candidates").glob("*.sig"))


def test_a_candidate_that_waits_has_its_reason_in_exit_code_text_json_and_report(
    plant: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # a fault that a person confirmed, of which nothing is to be seen: no model raises an alert there
    arguments = plant(labels=[label("m1", "confirmed", 20, 20.2)])
    assert main([*arguments, "--json"]) == 75
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["model"], told["result"]) == ("motor", "waits")
    proposal, stem = proposal_in(tmp_path)
    assert told["reasons"] == [check.text for check in proposal.failed] != []
    assert told["left_out"]["confirmed"] > 50
    (first, *_) = [each for each in told["streams"][0]["excluded"] if each["reason"] == "confirmed"]
    assert first["from"] <= written(START + 20 * DAY) <= first["to"]
    page = stem.with_name(stem.name + ".report.html").read_text()
    assert "It waits for a person" in page
    assert "confirmed" in page
    # as long as nothing new is said, the same candidate goes on waiting
    assert main(arguments) == 75
    out = capsys.readouterr().out
    assert "was proposed before" in out
    assert proposal_in(tmp_path)[0] == proposal


def test_nothing_to_do_is_no_failure_and_says_why(plant: Any, tmp_path: Path, capsys: Any) -> None:
    assert main(plant(later(days=2))) == 0
    assert "nothing to do: there are 2 days of new normal data, and it takes 5" in capsys.readouterr().out
    assert not list((tmp_path / "models" / "motor" / "candidates").glob("*.pt"))


def test_a_dry_run_writes_nothing(plant: Any, tmp_path: Path, capsys: Any) -> None:
    assert main([*plant(alerts=[alert("m1", 20, 21)]), "--dry-run"]) in {0, 75}
    out = capsys.readouterr().out
    assert "nothing was written" in out
    assert "alert" in out
    assert not (tmp_path / "models" / "motor" / "candidates").exists()


def test_two_refits_of_a_model_exclude_each_other(plant: Any, tmp_path: Path, capsys: Any) -> None:
    arguments = plant()
    inbox = tmp_path / "models" / "motor" / "candidates"
    inbox.mkdir()
    with (inbox / LOCK_FILE).open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert main(arguments) == 73
    assert "another refit of this model is running" in capsys.readouterr().err
    assert not list(inbox.glob("*.pt"))


def test_unlearning_tells_which_past_alerts_would_be_others(plant: Any, tmp_path: Path, capsys: Any) -> None:
    arguments = plant(later(days=3), labels=[label("m1", "bad", 2, 6)])
    main([*arguments, "--json"])
    (told,) = json.loads(capsys.readouterr().out)
    assert told["version"] is not None
    assert isinstance(told["past_alerts"], list)
    _, stem = proposal_in(tmp_path)
    assert "Unlearnt" in stem.with_name(stem.name + ".report.html").read_text()


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        (lambda folder: (folder / "monitor.toml").write_text("[[source]]"), 78, "problem"),
        (lambda folder: (folder / "monitor.toml").unlink(), 78, "monitor.toml"),
        (lambda folder: (folder / "journal" / "history.sqlite").unlink(), 65, "there is no history"),
        (lambda folder: (folder / "journal" / "history.sqlite").write_bytes(b"no database" * 99), 65, "history.sqlite"),
        (lambda folder: shutil.rmtree(folder / "models" / "motor"), 66, "has no model in use"),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_word(
    change: Callable[[Path], object], code: int, says: str, plant: Any, tmp_path: Path, capsys: Any
) -> None:
    arguments = plant()
    change(tmp_path)
    assert main(arguments) == code
    assert says in capsys.readouterr().err


def test_a_model_that_the_configuration_does_not_have_is_refused(plant: Any, capsys: Any) -> None:
    assert main([*plant(), "--model", "pump"]) == 66
    assert "has no model 'pump'; it has motor" in capsys.readouterr().err


def test_machines_that_are_new_are_anchored_by_the_refit_that_saw_them_first(plant: Any, tmp_path: Path) -> None:
    main(plant(later() | {"m3": machine(20, 77, first_day=10)}))
    proposal, _ = proposal_in(tmp_path)
    assert proposal.accepted == {"m3": START + 10 * DAY}
