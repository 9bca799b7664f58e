"""The daemon promotes the candidates that nothing speaks against, and tells why the others wait."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitor.adapters.artifacts.candidates import candidates_in
from monitor.adapters.artifacts.frozen_file import freeze, unfreeze
from monitor.adapters.artifacts.lock import locked
from monitor.adapters.artifacts.standing import Standing
from monitor.adapters.artifacts.versions import version_in_use
from monitor.cli import main as residuald
from monitor.core.artifact.proposal import Check, Proposal
from monitor.setup.build import Setup, load_setup
from monitor.setup.reloader import Reloader
from tests.broker import wait_until
from tests.configurations import SINE
from tests.sines import sine_recording, write_npz
from trainer.cli import main as trainer

HOLDS = Check(name="budget", holds=True, found=1.0, bound=1.5, text="as many false alarms as before")
FAILS = Check(name="recall", holds=False, found=0.7, bound=0.85, text="slow ramps are found less often")
SIGNED = '[artifacts]\nrequire_signature = true\ntrusted_keys = ["key.pub"]\n'


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model `sine` that was fitted twice, signed; and a configuration."""
    folder = tmp_path_factory.mktemp("fitted")
    assert trainer(["keygen", str(folder / "key")]) == 0
    for seed in range(2):
        data = write_npz(folder / f"{seed}.npz", sine_recording(3000, seed=seed))
        options = ["--family", "pca", "--window", "64", "--seed", str(seed), "--sign-key", str(folder / "key")]
        assert trainer(["fit", "--data", str(data), "--out", str(folder / "sine"), *options]) == 0
    (folder / "monitor.toml").write_text(SINE)
    return folder


class Plant:
    """A model's folder with a reloader that watches it by a clock of its own."""

    def __init__(self, folder: Path) -> None:
        self.model, self.config = folder / "sine", folder / "monitor.toml"
        self.now = 0.0
        self.start()

    def start(self) -> None:
        self.reloader = Reloader(self.config, load_setup(self.config), lambda: self.now)

    @property
    def standing(self) -> Standing:
        return self.reloader.standings["sine"]

    def propose(self, *checks: Check) -> str:
        """Let the candidate's proposal be that of a refit that found this; the candidate's version."""
        proposal = candidates_in(self.model)[0].proposal
        assert proposal is not None
        changed = {"by": "refit", "checks": checks, "at": datetime.now(UTC)}
        told = Proposal.model_validate(proposal.model_dump() | changed)
        (self.model / "candidates" / f"{proposal.version}.json").write_text(told.model_dump_json())
        return proposal.version

    def settle(self) -> list[str]:
        """Poll until nothing is left to do; the versions that came into use by the way."""
        came: list[str] = []
        idle = 0

        def look() -> bool:
            nonlocal idle
            outcome = self.reloader.poll()
            if outcome is not None:
                assert isinstance(outcome, Setup), outcome
                came.append(outcome.artifacts["sine"].manifest.version)
            idle = 0 if outcome is not None or self.reloader.loading else idle + 1
            return idle > 3

        wait_until(look, "the reloader rests")
        return came


@pytest.fixture
def plant(fitted: Path, tmp_path: Path) -> Plant:
    return Plant(Path(shutil.copytree(fitted, tmp_path / "copy", symlinks=True)))


def test_a_proposal_whose_checks_hold_comes_into_use_by_itself_and_once(plant: Plant) -> None:
    first = version_in_use(plant.model)
    version = plant.propose(HOLDS)
    assert plant.settle() == [version]
    assert version_in_use(plant.model) == version
    generation = json.loads((plant.model / "generation.json").read_text())
    assert (generation["generation"], generation["by"], generation["before"]) == (2, "gate", first)
    assert (plant.standing.number, plant.standing.candidate) == (2, None)
    assert plant.settle() == []


def test_a_proposal_that_lay_there_before_the_daemon_began_comes_into_use(plant: Plant) -> None:
    version = plant.propose(HOLDS)
    plant.start()
    assert plant.settle() == [version]


def test_what_a_check_speaks_against_waits_and_tells_why(plant: Plant) -> None:
    first = version_in_use(plant.model)
    assert plant.standing.reasons == ("nobody compared it with the version in use",)
    plant.propose(HOLDS, FAILS)
    assert plant.settle() == []
    assert plant.standing.reasons == (FAILS.text,)
    assert version_in_use(plant.model) == first


def test_a_person_promotes_what_waits_and_the_daemon_follows(plant: Plant) -> None:
    version = plant.propose(FAILS)
    plant.settle()
    assert residuald(["models", "promote", str(plant.model)]) == 0
    assert plant.settle() == [version]
    assert plant.standing.number == 2


def test_a_rollback_stands_against_what_was_proposed_before_it(plant: Plant) -> None:
    first = version_in_use(plant.model)
    version = plant.propose(HOLDS)
    kept = Path(shutil.copytree(plant.model / "candidates", plant.model.parent / "kept"))
    assert plant.settle() == [version]
    assert residuald(["models", "rollback", str(plant.model)]) == 0
    shutil.copytree(kept, plant.model / "candidates", dirs_exist_ok=True)  # as where they are another user's
    assert plant.settle() == [first]
    assert (plant.standing.number, plant.standing.candidate) == (3, None)


def test_a_frozen_model_waits_until_it_is_not_frozen_any_more(plant: Plant) -> None:
    version = plant.propose(HOLDS)
    freeze(plant.model, "me", datetime.now(UTC), "")
    assert plant.settle() == []
    assert plant.standing.reasons == ("the model is frozen",)
    unfreeze(plant.model)
    assert plant.settle() == [version]


def test_a_candidate_that_is_not_the_file_that_was_checked_waits_until_it_is(plant: Plant) -> None:
    version = plant.propose(HOLDS)
    file = plant.model / "candidates" / f"{version}.pt"
    good = file.read_bytes()
    file.write_bytes(good[:-1000])
    assert plant.settle() == []
    (reason,) = plant.standing.reasons
    assert "is not the file that was checked" in reason
    plant.now += 1000.0
    assert plant.settle() == []  # it is not tried again while nothing changes
    file.write_bytes(good)
    assert plant.settle() == [version]


def test_where_signatures_are_required_an_unsigned_candidate_waits(plant: Plant) -> None:
    plant.config.write_text(SINE + SIGNED)
    plant.start()
    version = plant.propose(HOLDS)
    signature = plant.model / "candidates" / f"{version}.pt.sig"
    good = signature.read_bytes()
    signature.unlink()
    assert plant.settle() == []
    assert "no signature that can be read" in plant.standing.reasons[0]
    assert not (plant.model / f"{version}.pt").exists()
    signature.write_bytes(good)
    plant.propose(HOLDS)
    assert plant.settle() == [version]


def test_a_candidate_whose_channels_no_source_brings_waits(plant: Plant) -> None:
    first = version_in_use(plant.model)
    shutil.rmtree(plant.model / "candidates")
    plant.config.write_text(SINE + 'channels = ["a", "b"]\n')
    plant.start()
    other = replace(sine_recording(3000), channels=("p", "q"))
    data = write_npz(plant.model.parent / "other.npz", other)
    arguments = ["--data", str(data), "--out", str(plant.model), "--family", "pca", "--window", "64"]
    assert trainer(["fit", *arguments]) == 0
    plant.propose(HOLDS)
    assert plant.settle() == []
    assert "has no channel 'a'" in plant.standing.reasons[0]
    assert version_in_use(plant.model) == first


def test_what_only_somebody_else_kept_from_being_promoted_is_tried_again(plant: Plant) -> None:
    with locked(plant.model):
        version = plant.propose(HOLDS)
        assert plant.settle() == []
        assert "somebody else is changing" in plant.standing.reasons[0]
    assert plant.settle() == []  # not at once: the disk may be full
    plant.now += 100.0
    assert plant.settle() == [version]
