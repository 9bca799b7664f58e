"""Files and standard input as sources: what is special about them; `test_source_contract.py` has what is not."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from monitor.adapters.file.source import _CHUNK_BYTES, FileSource, problem_of
from monitor.core.ports import TakeLimits
from monitor.core.values.messages import MessageBatch
from monitor.errors import UnavailableError
from tests.broker import wait_until
from tests.repository import ROOT
from tests.wakes import quiet

LIMITS = TakeLimits(10, 10_000)

Start = Callable[..., FileSource]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts sources, and ends them with the test."""
    started: list[FileSource] = []

    def start_one(path: str | Path, resume: bytes = b"", **settings: int) -> FileSource:
        bounds = {"max_messages": 1000, "max_bytes": 10**6, "max_payload_bytes": 1000} | settings
        source = FileSource("lines", path, **bounds, clock=lambda: 7.0)
        if resume:
            source.remember(resume)
        started.append(source)
        source.start(quiet)
        return source

    yield start_one
    for source in started:
        source.leave(1.0)


def take_all(source: FileSource) -> list[MessageBatch]:
    """All batches until the source is finished."""
    taken = []

    def finished() -> bool:
        while (batch := source.take(LIMITS)) is not None:
            taken.append(batch)
        return source.finished

    wait_until(finished, "the source is finished")
    return taken


def payloads(batches: list[MessageBatch]) -> list[bytes]:
    return [payload for batch in batches for payload in batch.payload]


def test_a_line_is_a_message_with_the_offset_behind_it_as_token(tmp_path: Path, start: Start) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"one\n\nthree\r\nlast")
    rows = [row for batch in take_all(start(path)) for row in batch.rows()]
    assert [row.payload for row in rows] == [b"one", b"", b"three\r", b"last"]
    assert [row.token for row in rows] == [4, 5, 12, 16]
    assert {(row.topic, row.arrival_seconds, row.retained, row.qos) for row in rows} == {("file/lines", 7.0, False, 0)}


def test_a_line_that_is_too_long_comes_cut_to_one_byte_more_than_is_admitted(tmp_path: Path, start: Start) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"x" * 500_000 + b"\nshort\n")
    assert payloads(take_all(start(path))) == [b"x" * 1001, b"short"]


@pytest.mark.parametrize("bound", ["max_messages", "max_bytes"])
def test_a_source_that_is_not_taken_from_reads_no_further(tmp_path: Path, start: Start, bound: str) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"0123456789012345678\n" * 500_000)
    source = start(path, **{bound: 1})
    wait_until(lambda: os.lseek(source._descriptor, 0, os.SEEK_CUR) >= 2 * _CHUNK_BYTES, "it waits with a second chunk")
    assert source._buffer.nbytes <= _CHUNK_BYTES
    assert os.lseek(source._descriptor, 0, os.SEEK_CUR) == 2 * _CHUNK_BYTES
    assert len(payloads(take_all(source))) == 500_000


def test_a_file_is_resumed_behind_what_was_committed(tmp_path: Path, start: Start) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"".join(b"%d\n" % number for number in range(3000)))
    first = start(path)
    wait_until(lambda: first._buffer.messages >= 30, "something to take")
    batches = [batch for _ in range(3) if (batch := first.take(LIMITS))]
    resume = b""
    for batch in batches:
        resume = first.merge([resume, first.resume_of(batch.tokens)])
    second = start(path, resume)
    assert payloads(batches) + payloads(take_all(second)) == [b"%d" % number for number in range(3000)]


def test_a_file_that_has_grown_is_read_on_and_one_that_was_replaced_from_its_beginning(
    tmp_path: Path, start: Start
) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"old 1\nold 2\n")
    source = start(path)
    (batch,) = take_all(source)
    resume = source.resume_of(batch.tokens)
    path.write_bytes(b"old 1\nold 2\nadded\n")
    assert payloads(take_all(start(path, resume))) == [b"added"]
    path.write_bytes(b"new 1\nnew 2\nnew 3\n")
    with structlog.testing.capture_logs() as logs:
        assert payloads(take_all(start(path, resume))) == [b"new 1", b"new 2", b"new 3"]
    assert [entry["event"] for entry in logs] == ["a file was replaced; it is read from its beginning"]


def test_a_position_can_still_be_told_after_the_source_was_left_and_the_file_was_replaced(
    tmp_path: Path, start: Start
) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"one\n")
    source = start(path)
    (batch,) = take_all(source)
    source.leave(1.0)
    (tmp_path / "other").write_bytes(b"two\n")
    (tmp_path / "other").replace(path)
    assert payloads(take_all(start(path, source.resume_of(batch.tokens)))) == [b"two"]


def test_a_fifo_is_read_to_the_end_of_what_is_written_and_is_not_resumed(tmp_path: Path, start: Start) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    assert problem_of(path) is None
    source = start(path, b"something")
    assert source.take(LIMITS) is None
    assert not source.finished
    with path.open("wb", buffering=0) as writer:
        writer.write(b"one\ntw")
        wait_until(lambda: source._buffer.messages == 1, "a line of it")
        writer.write(b"o\n")
    (first, *rest) = take_all(source)
    assert payloads([first, *rest]) == [b"one", b"two"]
    assert first.tokens == []
    assert source.resume_of(first.tokens) == b""


@pytest.mark.parametrize("kind", ["missing", "folder", "forbidden"])
def test_what_cannot_be_read_is_refused_by_check_and_start(tmp_path: Path, start: Start, kind: str) -> None:
    path = tmp_path / "lines"
    if kind == "folder":
        path.mkdir()
    elif kind == "forbidden":
        path.symlink_to(path)  # a mode would not keep root out
    problem = problem_of(path)
    assert problem is not None
    assert problem.startswith(f"cannot read {path}: ")
    with pytest.raises(UnavailableError, match=f"^source file/lines: cannot read {path}: "):
        start(path)


def test_what_can_be_read_is_no_problem(tmp_path: Path) -> None:
    (tmp_path / "lines").write_bytes(b"")
    assert problem_of(tmp_path / "lines") is None
    assert problem_of("-") is None


def test_a_file_that_fails_while_it_is_read_leaves_a_dead_source_that_is_not_finished(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"one\n")

    def fail(descriptor: int, size: int) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("monitor.adapters.file.source.os.read", fail)
    with structlog.testing.capture_logs() as logs:
        source = start(path)
        wait_until(lambda: not source.alive, "the source is dead")
    assert not source.finished
    assert [(entry["event"], entry["reason"]) for entry in logs] == [
        ("the input cannot be read on", "Input/output error")
    ]


READS_STDIN = """
import sys, threading
from monitor.adapters.file.source import FileSource
from monitor.core.ports import TakeLimits
source = FileSource("lines", "-", max_messages=10, max_bytes=1000, max_payload_bytes=100)
woken = threading.Event()
source.start(woken.set)
while not source.finished:
    woken.wait()
    woken.clear()
    while (batch := source.take(TakeLimits(1, 100))) is not None:
        print(batch.payload, batch.tokens, source.resume_of(batch.tokens), flush=True)
        if batch.payload == [b"end"]:
            source.leave(1.0)
            sys.exit(0)
"""


def test_standard_input_is_read_to_its_end_and_not_resumed() -> None:
    outcome = subprocess.run(
        [sys.executable, "-c", READS_STDIN], input=b"one\ntwo", capture_output=True, cwd=ROOT, check=True, timeout=60
    )
    assert outcome.stdout.decode().splitlines() == ["[b'one'] [] b''", "[b'two'] [] b''"]


def test_a_thread_that_waits_for_standard_input_does_not_keep_the_process() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", READS_STDIN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    ) as process:
        assert process.stdin is not None
        process.stdin.write(b"end\n")
        process.stdin.flush()
        assert process.wait(60) == 0  # while the pipe is open


def test_a_source_that_was_left_ends_its_thread_whatever_it_waits_for(tmp_path: Path, start: Start) -> None:
    full, fifo = tmp_path / "full", tmp_path / "fifo"
    full.write_bytes(b"0123456789\n" * 100_000)
    os.mkfifo(fifo)
    sources = [start(full, max_messages=1), start(fifo)]
    for source in sources:
        assert source.alive
        source.leave(1.0)
    wait_until(lambda: not any(source.alive for source in sources), "they have ended")
    assert "file/lines" not in [thread.name for thread in threading.enumerate()]


def test_the_clock_tells_when_lines_arrive(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"one\n")
    source = FileSource("lines", path, max_messages=1, max_bytes=1, max_payload_bytes=10)
    before = time.time()
    source.start(quiet)
    (batch,) = take_all(source)
    assert before <= batch.arrival_seconds[0] <= time.time()
    source.leave(1.0)
