"""Which artifact the daemon takes: of its own model, and an older one only where a person rolled back."""

import io
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import torch

from monitor.adapters.artifacts.champion import put_into_use
from monitor.cli import main as residuald
from monitor.core.artifact.manifest import MANIFEST_FILE
from monitor.core.artifact.rollback import Rollback
from monitor.errors import ConfigError
from monitor.setup.build import Setup, load_setup
from tests.configurations import SINE
from tests.sines import sine_recording, write_npz
from trainer.artifact.folder import write_version
from trainer.artifact.signing import read_key
from trainer.cli import main

SIGNED = '[artifacts]\nrequire_signature = true\ntrusted_keys = ["key.pub"]\n'


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three versions of a model, signed, the first of them in use; and a configuration."""
    folder = tmp_path_factory.mktemp("fitted")
    assert main(["keygen", str(folder / "key")]) == 0
    data = write_npz(folder / "normal.npz", sine_recording(3000))
    assert main(["fit", "--data", str(data), "--out", str(folder / "once" / "sine"), "--family", "pca"]) == 0
    for days in (3, 2, 1):
        add_version(folder, datetime.now(UTC) - timedelta(days=days))
    (folder / "monitor.toml").write_text(SINE)
    point(folder, versions(folder)[0])
    return folder


def add_version(folder: Path, created: datetime) -> None:
    """The model that was fitted once, as if it had been fitted at that time."""
    extra: dict[str, Any] = {MANIFEST_FILE: ""}
    module = torch.jit.load(str(folder / "once" / "sine" / "current"), _extra_files=extra)  # type: ignore[no-untyped-call]
    manifest = json.loads(extra[MANIFEST_FILE])
    manifest["version"] = f"{created:%Y%m%dT%H%M%SZ}-00000000"
    manifest["provenance"]["created"] = created.isoformat(timespec="seconds")
    buffer = io.BytesIO()
    torch.jit.save(module, buffer, _extra_files={MANIFEST_FILE: json.dumps(manifest)})
    write_version(folder / "sine", manifest["version"], buffer.getvalue(), "", None, read_key(folder / "key"))


@pytest.fixture
def folder(fitted: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(fitted, tmp_path / "copy", symlinks=True))


def versions(folder: Path) -> list[str]:
    """From the oldest on."""
    return sorted(file.stem for file in (folder / "sine").glob("*.pt"))


def point(folder: Path, version: str) -> None:
    """Let `current` be another version, as anybody can who may write the folder."""
    (folder / "sine" / "current").unlink(missing_ok=True)
    (folder / "sine" / "current").symlink_to(f"{version}.pt")


def in_use(setup: Setup) -> str:
    return setup.artifacts["sine"].manifest.version


def refusal(folder: Path, before: Setup | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load_setup(folder / "monitor.toml", before)
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize("settings", ["", SIGNED])
def test_an_older_artifact_takes_the_place_of_a_newer_one_only_where_a_person_rolled_back(
    folder: Path, settings: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = folder / "monitor.toml"
    config.write_text(SINE + settings)
    first, second, third = versions(folder)
    before = load_setup(config)
    point(folder, third)
    newest = load_setup(config, before)
    assert in_use(newest) == third
    point(folder, second)
    problem = refusal(folder, newest)
    assert f"is older than the artifact in use ({third}) and is not taken by itself" in problem
    assert f"run `residuald models rollback {folder / 'sine'} {second}" in problem
    key = ["--key", str(folder / "key")] if settings else []
    assert residuald(["models", "rollback", str(folder / "sine"), second, *key]) == 0
    back = load_setup(config, newest)
    assert in_use(back) == second
    assert f"current -> {second}.pt" in capsys.readouterr().out
    point(folder, first)  # which the person has not asked for
    assert "is older than the artifact in use" in refusal(folder, back)


def test_a_rollback_ends_with_the_next_fit(folder: Path) -> None:
    config = folder / "monitor.toml"
    first, _, third = versions(folder)
    point(folder, third)
    assert residuald(["models", "rollback", str(folder / "sine"), first]) == 0
    assert in_use(load_setup(config, load_setup(config))) == first
    add_version(folder, datetime.now(UTC) + timedelta(hours=1))
    point(folder, versions(folder)[-1])
    newest = load_setup(config)
    point(folder, first)
    assert "is older than the artifact in use" in refusal(folder, newest)


def test_where_signatures_are_required_a_rollback_that_nobody_signed_counts_for_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = folder / "monitor.toml"
    config.write_text(SINE + SIGNED)
    first, _, third = versions(folder)
    point(folder, third)
    newest = load_setup(config)
    assert residuald(["models", "rollback", str(folder / "sine"), first]) == 0
    assert "daemons that require signatures need --key" in capsys.readouterr().err.replace("\n", " ")
    told = refusal(folder, newest)
    assert f"{first} --key FILE`" in told
    assert "generation.json.sig: no signature that can be read" in told


def test_what_a_configuration_names_anew_may_be_of_any_age(folder: Path) -> None:
    config = folder / "monitor.toml"
    first, _, third = versions(folder)
    point(folder, third)
    newest = load_setup(config)
    point(folder, first)
    (folder / "sine").rename(folder / "elsewhere")
    config.write_text(SINE.replace('path = "sine"', 'path = "elsewhere"'))
    assert in_use(load_setup(config, newest)) == first
    assert in_use(load_setup(config)) == first  # a process that begins has none in use


def test_an_artifact_of_another_model_is_refused_unless_the_configuration_names_it(folder: Path) -> None:
    config = folder / "monitor.toml"
    config.write_text(SINE.replace('name = "sine"', 'name = "pump"').replace('model = "sine"', 'model = "pump"'))
    problem = refusal(folder)
    assert problem.startswith("model[0].path: ")
    assert "is an artifact of model 'sine', not of 'pump'" in problem
    assert '`artifact = "sine"`' in problem
    config.write_text(config.read_text().replace("max_batch = 8", 'max_batch = 8\nartifact = "sine"'))
    assert load_setup(config).artifacts["pump"].manifest.model == "sine"
    config.write_text(SINE.replace("max_batch = 8", 'max_batch = 8\nartifact = "pump"'))
    assert "not of 'pump'" in refusal(folder)


def test_a_rollback_to_what_is_not_there_names_what_is(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for version in ("20200101T000000Z-00000000", "../sine", ""):
        assert residuald(["models", "rollback", str(folder / "sine"), version]) == 66
        assert ", ".join(versions(folder)) in capsys.readouterr().err
    assert not (folder / "sine" / "generation.json").exists()


def test_a_rollback_that_an_older_version_wrote_is_still_honoured(folder: Path) -> None:
    config = folder / "monitor.toml"
    first, _, third = versions(folder)
    point(folder, third)
    newest = load_setup(config)
    point(folder, first)
    rollback = Rollback(version=first, at=datetime.now(UTC))
    (folder / "sine" / "rollback.json").write_text(rollback.model_dump_json())
    assert in_use(load_setup(config, newest)) == first
    # a generation that was written since outweighs it
    put_into_use(folder / "sine", third, datetime.now(UTC), "person", "promoted")
    point(folder, first)
    assert "is older than the artifact in use" in refusal(folder, newest)


def test_an_old_generation_that_is_put_back_with_its_version_brings_nothing_back(folder: Path) -> None:
    config, model = folder / "monitor.toml", folder / "sine"
    first, _, third = versions(folder)
    point(folder, third)
    newest = load_setup(config)
    assert residuald(["models", "rollback", str(model), first]) == 0
    kept = (model / "generation.json").read_bytes()
    back = load_setup(config, newest)
    assert residuald(["models", "promote", str(model), third]) == 0
    again = load_setup(config, back)
    assert in_use(again) == third
    (model / "generation.json").write_bytes(kept)
    point(folder, first)
    assert "is older than the artifact in use" in refusal(folder, again)
