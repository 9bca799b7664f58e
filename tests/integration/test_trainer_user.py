"""The trainer's own user: what its unit lets it read and write, done as that user. Needs root."""

import hashlib
import io
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from monitor.adapters.artifacts.candidates import candidates_in
from monitor.adapters.artifacts.champion import promote
from monitor.adapters.artifacts.lock import locked
from monitor.adapters.storage.history_store import HistoryStore
from monitor.core.artifact.proposal import Check, Proposal
from monitor.core.history.layout import Layout
from monitor.readers.history import History
from monitor.settings.whole_file import point_link, write_whole
from tests.histories import SETTINGS, START, write_history
from tests.other_users import IS_ROOT, User, as_user, open_folder
from tests.repository import ROOT
from tests.training.test_refit import DAY, files, later, quiet
from trainer.artifact.folder import propose, publish
from trainer.cli import main
from trainer.data.gathering import gather
from trainer.fitting.fit import fit
from trainer.refit.anchor import anchor_first_fit
from trainer.refit.refit_lock import refit_locked

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not IS_ROOT, reason="only root may become another user"),
]

DAEMON = User(64_001)
TRAINER = User(64_002, (DAEMON.number,))
OTHER = User(64_003)
UNIT = (ROOT / "systemd" / "residuald-trainer.service").read_text()
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def run_scripts(which: str, state: Path) -> None:
    """Run the unit's scripts as the daemon's user, as the unit asks systemd to, on another folder."""
    drop = "--reuid=residuald --regid=residuald --clear-groups"
    found = re.findall(
        rf"^{which}=-\+/usr/bin/setpriv {drop} /bin/sh -c \\\n    '(.*?)'$", UNIT, re.MULTILINE | re.DOTALL
    )
    assert len(found) == UNIT.count(f"\n{which}=") > 0
    for text in found:
        script = text.replace("\\\n", " ").replace("$$", "$").replace("/var/lib/residuald", str(state))
        numbers = [f"--reuid={DAEMON.number}", f"--regid={DAEMON.number}", "--clear-groups"]
        subprocess.run(["setpriv", *numbers, "/bin/sh", "-c", script], check=False, timeout=60)


@pytest.fixture
def state() -> Iterator[Path]:
    """The daemon's state directory by docs/installation.md, with a model that its user fitted."""
    with open_folder() as folder:
        state = folder / "state"
        for each in (state, state / "models"):
            each.mkdir(mode=0o750)
            os.chown(each, DAEMON.number, DAEMON.number)
        assert as_user(DAEMON, lambda: publish(state / "models" / "motor", "v1", b"first", "report")).endswith("v1.pt")
        yield state


def layouts_written(state: Path, models: int) -> Callable[[], object]:
    def write() -> str:
        os.umask(0o077)
        store = HistoryStore(state / "journal" / "history.sqlite", 2**24)
        store.open()
        for number in range(models):
            store.put_layout(Layout(f"m{number}", "v1", ("a",), 1.0, 60, "ab" * 32))
        store.flush()
        return "written"

    return write


def models_in(state: Path) -> Callable[[], object]:
    def read() -> int:
        with History.open(state / "journal" / "history.sqlite") as history:
            return len(history.models())

    return read


def test_the_history_is_open_to_the_trainer_while_its_unit_runs_and_to_nobody_else(state: Path) -> None:
    write = layouts_written(state, 3)

    def write_and_die() -> None:
        write()
        os._exit(0)  # as a daemon that is killed, with its log left behind

    as_user(DAEMON, write_and_die)
    assert (state / "journal" / "history.sqlite-wal").stat().st_size > 0
    assert "Error" in as_user(TRAINER, models_in(state))
    run_scripts("ExecStartPre", state)
    assert as_user(TRAINER, models_in(state)) == "3"
    assert "Error" in as_user(OTHER, models_in(state))
    run_scripts("ExecStopPost", state)
    assert "Error" in as_user(TRAINER, models_in(state))


def test_the_trainer_reads_while_the_daemon_writes_and_after_it_stopped_and_changes_nothing(state: Path) -> None:
    file = state / "journal" / "history.sqlite"
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:  # the daemon: writes, waits, and ends properly
        DAEMON.become()
        os.umask(0o077)
        store = HistoryStore(file, 2**24)
        store.open()
        store.put_layout(Layout("m0", "v1", ("a",), 1.0, 60, "ab" * 32))
        store.flush()
        (state / "ready").touch()
        os.read(told, 1)
        store.put_layout(Layout("m1", "v1", ("a",), 1.0, 60, "ab" * 32))
        store.flush()
        (state / "more").touch()
        os.read(told, 1)
        store.close()
        os._exit(0)
    try:
        wait_for(state / "ready")
        run_scripts("ExecStartPre", state)
        assert as_user(TRAINER, models_in(state)) == "1"
        os.write(tell, b".")
        wait_for(state / "more")
        assert as_user(TRAINER, models_in(state)) == "2"
        for suffix in ("", "-wal", "-shm"):
            assert "PermissionError" in as_user(TRAINER, lambda: os.open(f"{file}{suffix}", os.O_WRONLY))  # noqa: B023
        assert "PermissionError" in as_user(TRAINER, (state / "journal" / "more").touch)
    finally:
        os.write(tell, b"..")
        os.waitpid(child, 0)
    assert not (state / "journal" / "history.sqlite-wal").exists()
    assert as_user(TRAINER, models_in(state)) == "2"


def wait_for(file: Path) -> None:
    subprocess.run(["timeout", "30", "sh", "-c", f"until [ -e {file} ]; do sleep 0.02; done"], check=True)


def proposal(version: str, artifact: bytes) -> Proposal:
    check = Check(name="budget", holds=True, text="as few false alarms as before")
    sha256 = hashlib.sha256(artifact).hexdigest()
    return Proposal(version=version, sha256=sha256, at=NOW, parent="v1", by="refit", checks=(check,))


def test_the_trainer_lays_a_candidate_down_and_cannot_put_it_into_use(state: Path) -> None:
    model = state / "models" / "motor"
    run_scripts("ExecStartPre", state)

    def lay_down() -> Path:
        os.umask(0o077)
        with refit_locked(model):
            return propose(model, proposal("v2", b"second"), b"second", "report")

    assert as_user(TRAINER, lay_down) == str(model / "candidates" / "v2.pt")
    attempts: dict[str, Callable[[], object]] = {
        "move current": lambda: point_link(model / "current", "candidates/v2.pt"),
        "remove current": (model / "current").unlink,
        "write a version": lambda: write_whole(model / "v2.pt", b"second"),
        "change a version": lambda: (model / "v1.pt").write_bytes(b"second"),
        "remove a version": (model / "v1.pt").unlink,
        "write a generation": lambda: write_whole(model / "generation.json", b"{}"),
        "move the anchor": lambda: write_whole(model / "anchor.json", b"{}"),
        "put a folder aside": lambda: model.rename(state / "models" / "other"),
        "make a model": (state / "models" / "new").mkdir,
        "replace the candidates' folder": lambda: (model / "candidates").rename(model / "gone"),
    }
    for what, attempt in attempts.items():
        assert as_user(TRAINER, attempt).startswith("PermissionError"), what
    assert (model / "current").readlink() == Path("v1.pt")
    assert (model / "v1.pt").read_bytes() == b"first"
    assert "PermissionError" in as_user(OTHER, lambda: list((model / "candidates").iterdir()))


def test_the_daemon_takes_up_and_clears_away_what_the_trainer_laid_down(state: Path) -> None:
    model = state / "models" / "motor"
    run_scripts("ExecStartPre", state)
    as_user(TRAINER, lambda: propose(model, proposal("v2", b"second"), b"second", "report"))

    def take_up() -> str:
        (candidate,) = candidates_in(model)
        assert candidate.proposal is not None
        with locked(model):
            promote(model, candidate.proposal, lambda path: None, NOW, "gate", 2**20)
        return str((model / "current").readlink())

    assert as_user(DAEMON, take_up) == "v2.pt"
    assert list((model / "candidates").glob("v2*")) == []


CONFIG = """
[[source]]
name = "s"
topic = "plant/{{device}}"
model = "motor"
format = {{ kind = "json", timestamp = "ts", rows = "rows" }}
[[model]]
name = "motor"
path = "{state}/models/motor"
[journal]
path = "{state}/journal"
[mqtt]
username = "residuald"
password_file = "mqtt_password"
"""


def give(folder: Path, user: User) -> None:
    """Make a folder and all that lies in it a user's."""
    for each in (folder, *folder.rglob("*")):
        os.chown(each, user.number, user.number, follow_symlinks=False)


@pytest.mark.timeout(180)
def test_a_refit_runs_as_the_trainers_user_on_what_belongs_to_the_daemon(state: Path) -> None:
    model = state / "models" / "motor"
    shutil.rmtree(model)
    data = files(("m1", "m2"))
    made = fit(gather(data, SETTINGS), SETTINGS, "motor", datetime.fromtimestamp(START + 10 * DAY, UTC), quiet)
    anchor_first_fit(model, made.manifest, data, SETTINGS)
    publish(model, made.manifest.version, made.artifact, "report")
    write_history(state / "journal" / "history.sqlite", "motor", later())
    (state.parent / "monitor.toml").write_text(CONFIG.format(state=state))
    (state.parent / "mqtt_password").touch(mode=0o600)
    arguments = ["refit", "--config", str(state.parent / "monitor.toml")]
    # import all that a refit does: the trainer's user may have no right to read where Python lies on this machine
    Figure().savefig(io.BytesIO())
    assert main([*arguments, "--dry-run"]) == 0
    (state / "journal").chmod(0o700)
    give(state, DAEMON)
    run_scripts("ExecStartPre", state)
    assert as_user(TRAINER, lambda: main(arguments)) == "0"
    (candidate,) = candidates_in(model)
    assert candidate.proposal is not None
    assert candidate.proposal.promotable
    assert (model / "candidates" / f"{candidate.version}.pt").stat().st_uid == TRAINER.number
    assert (model / "current").readlink() == Path(f"{made.manifest.version}.pt")
