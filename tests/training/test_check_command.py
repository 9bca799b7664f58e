"""`residuald check`: every shipped configuration is fine, and of a bad one everything that is wrong is told at once.

Each file of `tests/configs_bad` starts with the problems that it must be refused for, all of them and no others, as
`# expect:` lines. `{folder}` stands for their folder, and `...` at the end for whatever torch says there.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from monitor import cli
from monitor.adapters.engines.model_folder import resolve_artifact
from monitor.commands.check import check
from monitor.core.artifact.array import Array
from monitor.core.artifact.manifest import MANIFEST_FILE, Manifest, parse_manifest
from monitor.errors import ConfigError
from monitor.setup.build import load_setup
from monitor.setup.summary import summary
from tests.bad_files import expected_problems
from tests.repository import ROOT

SHIPPED = sorted([*ROOT.glob("configs/*.toml"), *ROOT.glob("configs/examples/*.toml")])
BAD_FOLDER = ROOT / "tests" / "configs_bad"
BAD = sorted(BAD_FOLDER.glob("*.toml"))
RESIDUALD = Path(sys.executable).parent / "residuald"


def matches(found: str, expected: str) -> bool:
    return found.startswith(expected[:-3]) if expected.endswith("...") else found == expected


def problems_of(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        check(path)
    return raised.value.problems


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_configuration_is_fine(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "--config", str(path)]) == 0
    shown = capsys.readouterr()
    assert f"{path} is fine." in shown.out
    assert shown.err == ""


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_everything_that_is_wrong_is_told_and_nothing_else(path: Path) -> None:
    found, expected = sorted(problems_of(path)), sorted(expected_problems(path))
    assert len(found) == len(expected), found
    assert all(map(matches, found, expected)), found


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_bad_configuration_exits_with_78_and_a_line_per_problem(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["check", "--config", str(path)]) == 78
    shown = capsys.readouterr()
    assert shown.out == ""
    assert len(shown.err.splitlines()) == 1 + len(expected_problems(path))
    assert "hunter2" not in shown.err


def test_the_installed_program_does_so_too() -> None:
    for path, code in ((ROOT / "configs" / "monitor.toml", 0), (BAD_FOLDER / "unknown_keys.toml", 78)):
        outcome = subprocess.run([RESIDUALD, "check", "--config", path], capture_output=True, timeout=120, check=False)
        assert outcome.returncode == code, outcome.stderr


def test_the_summary_says_what_goes_where() -> None:
    text = "\n".join(summary(load_setup(ROOT / "configs" / "monitor.toml")))
    for part in (
        "broker   localhost:1883, MQTT 5, anonymously",
        "source   motors: plant/{site}/{device}/motor (json, QoS 1) -> model motor",
        "stream {site}.{device}, channels vib_x, vib_y, vib_z, current, temperature",
        "vib_x [g], vib_y [g], vib_z [g], current [A], temperature [degC] at 1000 Hz",
        "window 512 samples (0.512 s) every 256 (0.256 s)",
        "fires on 3 of 4",
        "limits   10,000 streams, payloads up to 4 MiB, inbox of 100,000 messages or 256 MiB",
        "output   MQTT below residuald/, http://127.0.0.1:9108/metrics",
    ):
        assert part in text


def test_the_password_is_never_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    secret = tmp_path / "password"
    secret.write_text("hunter2")
    text = (ROOT / "configs" / "examples" / "tls.toml").read_text()
    text = text.replace("tls/mqtt_password", str(secret)).replace(
        "tls/ca.pem", str(ROOT / "configs/examples/tls/ca.pem")
    )
    path = tmp_path / "monitor.toml"
    path.write_text(text.replace("../models", str(ROOT / "configs" / "models")))
    assert cli.main(["check", "--config", str(path)]) == 0
    path.write_text(path.read_text() + "[http]\nprot = 1")
    assert cli.main(["check", "--config", str(path)]) == 78
    shown = capsys.readouterr()
    assert "hunter2" not in shown.out + shown.err


def tampered_artifact(target: Path, **changes: Any) -> None:
    """The shipped ECG artifact with another manifest."""
    extra: dict[str, Any] = {MANIFEST_FILE: ""}
    source = resolve_artifact(ROOT / "configs" / "models" / "ecg")
    module = torch.jit.load(str(source), _extra_files=extra)  # type: ignore[no-untyped-call]
    manifest = msgspec.json.decode(extra[MANIFEST_FILE]) | changes
    target.parent.mkdir(parents=True, exist_ok=True)
    torch.jit.save(module, str(target), _extra_files={MANIFEST_FILE: msgspec.json.encode(manifest)})


def shipped_manifest() -> Manifest:
    return load_setup(ROOT / "configs" / "examples" / "tls.toml").artifacts["ecg"].manifest


def config_with_ecg_model(folder: Path) -> Path:
    path = folder / "monitor.toml"
    path.write_text(
        '[[source]]\nname = "s"\ntopic = "a/{bed}"\nmodel = "ecg"\nformat = { kind = "number" }\n'
        '[[model]]\nname = "ecg"\npath = "ecg"\n'
    )
    return path


def test_an_artifact_that_computes_something_else_here_is_refused(tmp_path: Path) -> None:
    golden = shipped_manifest().golden
    tampered_artifact(
        tmp_path / "ecg" / "current",
        golden=golden.model_copy(update={"error": Array.of(golden.error.numpy() * 2 + 1)}).model_dump(),
    )
    (problem,) = problems_of(config_with_ecg_model(tmp_path))
    assert problem.startswith(f"model[0].path: {tmp_path}/ecg/current: golden windows do not match")


def test_an_artifact_of_another_schema_is_refused(tmp_path: Path) -> None:
    tampered_artifact(tmp_path / "ecg" / "current", schema_version=2)
    (problem,) = problems_of(config_with_ecg_model(tmp_path))
    assert problem.startswith(f"model[0].path: {tmp_path}/ecg/current: manifest: schema_version")


def test_an_artifact_cut_short_is_refused(tmp_path: Path) -> None:
    tampered_artifact(tmp_path / "ecg" / "current")
    whole = (tmp_path / "ecg" / "current").read_bytes()
    (tmp_path / "ecg" / "current").write_bytes(whole[: len(whole) // 2])
    (problem,) = problems_of(config_with_ecg_model(tmp_path))
    assert problem.startswith(f"model[0].path: {tmp_path}/ecg/current: not a TorchScript archive that can be loaded")


def test_a_link_to_nowhere_is_a_missing_artifact(tmp_path: Path) -> None:
    (tmp_path / "ecg").mkdir()
    (tmp_path / "ecg" / "current").symlink_to("gone.pt")
    (problem,) = problems_of(config_with_ecg_model(tmp_path))
    assert "no artifact here" in problem


def test_the_manifest_that_tests_change_is_the_one_that_ships() -> None:
    assert parse_manifest(shipped_manifest().model_dump_json()) == shipped_manifest()


def test_artifacts_are_looked_at_with_the_engine_of_the_file_though_it_is_wrong_elsewhere(tmp_path: Path) -> None:
    path = config_with_ecg_model(tmp_path)
    tampered_artifact(tmp_path / "ecg" / "current")
    path.write_text(path.read_text() + '[scoring]\nengine = "onnx"\n[http]\nport = -1\n')
    assert [problem.partition(": ")[0] for problem in problems_of(path)] == ["http.port", "model[0].path"]
