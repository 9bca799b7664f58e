"""The systemd units, as systemd itself reads them (offline: nothing is started, no bus is needed)."""

import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.repository import ROOT
from trainer.artifact.refit_key import CREDENTIAL
from trainer.errors import WaitsForPersonError

pytestmark = pytest.mark.integration

UNITS = ROOT / "systemd"
SERVICES = ("residuald.service", "residuald-trainer.service")
SYSTEM_UNITS = Path("/usr/lib/systemd/system")


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    # colours and paging off, whatever the terminal
    environment = os.environ | {"SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": ""}
    return subprocess.run(
        ["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60, env=environment, check=False
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A system with our units installed by the book, beside those that Debian ships."""
    shutil.copytree(SYSTEM_UNITS, tmp_path / "usr/lib/systemd/system", symlinks=True)
    installed = tmp_path / "etc/systemd/system"
    installed.mkdir(parents=True)
    for unit in (*UNITS.glob("*.service"), *UNITS.glob("*.timer")):
        shutil.copy(unit, installed)
    for program in ("opt/residuald/venv/bin/residuald", "opt/residuald/venv/bin/residuald-trainer", "bin/systemctl"):
        (tmp_path / program).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / program).write_text("#!/bin/sh\n")
        (tmp_path / program).chmod(0o755)
    shutil.copy("/bin/sh", tmp_path / "bin/sh")
    return tmp_path


def verify(root: Path, unit: str) -> str:
    outcome = analyze("verify", "--man=no", f"--root={root}", unit)
    # Debian's own units are read too and may complain about programs that this root lacks
    ours = [line for line in outcome.stderr.splitlines() if "residuald" in line]
    assert outcome.returncode == 0 or ours, outcome.stderr
    return "\n".join(ours)


@pytest.mark.parametrize("unit", [*SERVICES, "residuald-trainer.timer"])
def test_systemd_finds_nothing_to_complain_about(root: Path, unit: str) -> None:
    assert verify(root, unit) == ""


def test_verification_would_find_a_missing_program_and_a_misspelt_key(root: Path) -> None:
    (root / "opt/residuald/venv/bin/residuald").unlink()
    assert "is not executable" in verify(root, "residuald.service")
    unit = root / "etc/systemd/system/residuald-trainer.service"
    unit.write_text(unit.read_text().replace("Nice=", "Nise="))
    assert "'Nise' in section [Service]" in verify(root, "residuald-trainer.service")


@pytest.mark.parametrize("service", SERVICES)
def test_the_sandbox_leaves_little_exposed(service: str) -> None:
    outcome = analyze("security", "--offline=true", "--threshold=20", str(UNITS / service))
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert outcome.stderr == ""
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", outcome.stdout)
    assert found
    assert float(found[1]) < 2.0


@pytest.mark.parametrize("service", SERVICES)
def test_a_reason_stands_beside_everything_that_stays_open(service: str) -> None:
    outcome = analyze("security", "--offline=true", "--json=short", str(UNITS / service))
    exposed = {row["name"] for row in json.loads(outcome.stdout) if row["set"] is False and row["exposure"]}
    settings = {re.split(r"[=/]", name)[0] for name in exposed}
    comments = "\n".join(line for line in (UNITS / service).read_text().splitlines() if line.startswith("#"))
    assert settings  # something does stay open, or this test tests nothing
    assert {name for name in settings if name not in comments} == set()


def test_the_daemon_is_supervised() -> None:
    text = (UNITS / "residuald.service").read_text()
    for line in ("Type=notify", "WatchdogSec=30", "RestartPreventExitStatus=78"):
        assert f"\n{line}\n" in text


def test_however_often_it_is_started_the_daemon_is_not_left_failed() -> None:
    lines = (UNITS / "residuald.service").read_text().splitlines()
    assert "StartLimitIntervalSec=0" in lines[lines.index("[Unit]") : lines.index("[Service]")]
    assert "Restart=on-failure" in lines


@pytest.mark.parametrize("checked", [0, 78])
def test_a_reload_ends_as_the_check_does_and_the_daemon_is_told_in_any_case(tmp_path: Path, checked: int) -> None:
    text = (UNITS / "residuald.service").read_text()
    run = re.search(r"^ExecStart=(\S+) run --config (\S+)$", text, re.MULTILINE)
    (reload,) = re.findall(r"^ExecReload=/bin/sh -c '(.+?)'$", text, re.MULTILINE | re.DOTALL)
    assert run
    script = reload.replace("\\\n", " ").replace("$MAINPID", "$1").replace("$$", "$")  # as systemd does
    program = tmp_path / "residuald"
    program.write_text(f'#!/bin/sh\necho "$*" > {tmp_path}/asked\nexit {checked}\n')
    program.chmod(0o755)
    with subprocess.Popen(["sleep", "60"]) as daemon:
        try:
            command = ["sh", "-c", script.replace(run[1], str(program)), "sh", str(daemon.pid)]
            assert subprocess.run(command, timeout=60, check=False).returncode == checked
            assert daemon.wait(10) == -signal.SIGHUP
        finally:
            daemon.kill()
    # systemd shows it no credentials
    assert (tmp_path / "asked").read_text() == f"check --config {run[2]} --without-secrets\n"


def test_memory_is_bounded_above_what_was_measured() -> None:
    text = (UNITS / "residuald.service").read_text()
    measured = re.search(r"^\| together \| ([\d,]+) \|", (ROOT / "docs/reliability.md").read_text(), re.MULTILINE)
    high, most = (re.search(rf"^{key}=(\d+)([MG])$", text, re.MULTILINE) for key in ("MemoryHigh", "MemoryMax"))
    assert measured
    assert high
    assert most
    megabytes = [int(found[1]) * (1024 if found[2] == "G" else 1) for found in (high, most)]
    assert int(measured[1].replace(",", "")) < megabytes[0] < megabytes[1]


def test_a_refit_that_waits_for_a_person_is_no_failed_unit_and_its_key_has_the_name_that_it_looks_for() -> None:
    text = (UNITS / "residuald-trainer.service").read_text()
    assert f"\nSuccessExitStatus={WaitsForPersonError.exit_code}\n" in text
    assert f"\nLoadCredential={CREDENTIAL}:/etc/residuald/{CREDENTIAL}\nSetCredential={CREDENTIAL}:\\n\n" in text
    assert re.search(r"^ExecStart=\S+/residuald-trainer refit$", text, re.MULTILINE)


def test_the_users_of_the_units_are_made_by_the_book() -> None:
    made = re.findall(r"^u (\S+) ", (UNITS / "residuald.sysusers.conf").read_text(), re.MULTILINE)
    used = [re.search(r"^User=(.+)$", (UNITS / service).read_text(), re.MULTILINE) for service in SERVICES]
    assert [user[1] for user in used if user is not None] == made


def test_the_timer_runs_once_a_week() -> None:
    calendar = re.search(r"^OnCalendar=(.+)$", (UNITS / "residuald-trainer.timer").read_text(), re.MULTILINE)
    assert calendar
    outcome = analyze("calendar", "--iterations=2", "--base-time=2026-01-01", calendar[1])
    assert "Normalized form: Sun *-*-* 03:00:00" in outcome.stdout
