"""Model folders made of small files that nobody opens, for tests of what moves in them; and children that die in it."""

import hashlib
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from monitor.core.artifact.generation import Generation
from monitor.core.artifact.proposal import Check, Proposal

THEN = datetime(2026, 1, 31, 12, tzinfo=UTC)
HOLDS = Check(name="budget", holds=True, found=1.0, bound=1.2, text="as many false alarms as before")
FAILS = Check(name="recall", holds=False, found=0.7, bound=0.85, text="slow ramps are found less often")

_EVENTS = ("open", "os.rename", "os.symlink", "os.remove", "os.mkdir", "tempfile.mkstemp", "fcntl.flock")


def content(version: str) -> bytes:
    """What the artifact of a version holds here."""
    return f"artifact {version}".encode() * 100


def model_folder(folder: Path, *versions: str) -> Path:
    """A model's folder with these versions, the last of them in use."""
    folder.mkdir(parents=True, exist_ok=True)
    for version in versions:
        (folder / f"{version}.pt").write_bytes(content(version))
        (folder / f"{version}.report.html").write_text("report")
    if versions:
        (folder / "current").symlink_to(f"{versions[-1]}.pt")
    return folder


def candidate(
    folder: Path,
    version: str,
    parent: str,
    *checks: Check,
    at: datetime = THEN,
    accepted: dict[str, float] | None = None,
) -> Proposal:
    """Lay a candidate into a model's folder, as the trainer does; its proposal."""
    inbox = folder / "candidates"
    inbox.mkdir(exist_ok=True)
    for suffix in (".report.html", ".onnx", ".pt.sig"):
        (inbox / f"{version}{suffix}").write_text(suffix)
    (inbox / f"{version}.pt").write_bytes(content(version))
    proposal = Proposal(
        version=version,
        sha256=hashlib.sha256(content(version)).hexdigest(),
        at=at,
        parent=parent,
        by="refit",
        checks=checks,
        accepted=accepted or {},
    )
    (inbox / f"{version}.json").write_text(proposal.model_dump_json())
    return proposal


def rolled_back(version: str, before: str, number: int = 2) -> Generation:
    """A generation by a person."""
    return Generation(generation=number, version=version, at=THEN, by="person", why="rollback", before=before)


def names(folder: Path) -> set[str]:
    """What lies in a folder, by name."""
    return {entry.name for entry in folder.iterdir()}


def dies_at(step: int, work: Callable[[], object]) -> bool:
    """Let a child do some work and be killed (SIGKILL) before its call number `step` that touches files, from 0 on.

    Returns whether it was killed: False once it does the whole work in fewer calls.
    """

    def child() -> None:
        calls = 0

        def count(event: str, _: object) -> None:
            nonlocal calls
            if event in _EVENTS:
                if calls == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                calls += 1

        os.fsync = lambda _: None  # type: ignore[assignment]  # the kernel outlives the child: spare the disk
        sys.addaudithook(count)
        work()

    return _in_child(child) == -signal.SIGKILL


def fails_with_full_disk(nbytes: int, work: Callable[[], object]) -> bool:
    """Let a child do some work where no file may become larger than `nbytes`; whether it met an `OSError`."""

    def child() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (nbytes, nbytes))
        try:
            work()
        except OSError:
            os._exit(3)

    return _in_child(child) == 3


def _in_child(child: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            child()
            code = 0
        except BaseException:  # noqa: BLE001 - told, and the parent sees the exit code
            traceback.print_exc()
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code != 1, "the child raised something else; see above"
    return code
