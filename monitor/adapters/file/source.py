"""A file or standard input as a source: each line is a message.

A thread reads ahead into a bounded buffer and waits while it is full. A file of lines on a disk is resumed: the tokens
of its messages are the byte offsets behind their lines, and what is committed with the messages is the last of them. A
pipe, a terminal or a socket cannot be read twice: its messages have no tokens, so they are not journaled.
"""

import contextlib
import os
import select
import stat
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import structlog

from monitor.adapters.file.batch_buffer import BatchBuffer
from monitor.adapters.file.line_splitter import LineSplitter
from monitor.adapters.file.position import Position
from monitor.core.ports import TakeLimits, Wake
from monitor.core.values.messages import ACKNOWLEDGE, MessageBatch, Token, TopicTable
from monitor.errors import UnavailableError

log = structlog.get_logger()

STDIN = "-"
_CHUNK_BYTES = 128 * 1024
_STDIN_DESCRIPTOR = 0


def problem_of(path: str | Path) -> str | None:
    """Why a file cannot be a source, for `residuald check`; None if it can. `-` is standard input, which is not asked.

    A FIFO is not opened: whoever writes to it would notice.
    """
    try:
        if str(path) != STDIN and not stat.S_ISFIFO(Path(path).stat().st_mode):
            os.close(_open(path))
    except OSError as error:
        return f"cannot read {path}: {error.strerror}"
    return None


class FileSource:
    """Messages from `path`, on the topic `file/<name>`; see `monitor.core.ports.Source`.

    path: a file, which is read to its end; a FIFO, to the end of what its first writers write; or `-`, standard input.
    max_messages, max_bytes: how much may wait to be taken. max_payload_bytes: a longer line comes cut to one byte more
    than that. clock: tells when messages arrive, in epoch seconds.
    """

    def __init__(
        self,
        name: str,
        path: str | Path,
        *,
        max_messages: int,
        max_bytes: int,
        max_payload_bytes: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name = f"file/{name}"  # of its own kind: no name of a file may be that of another source
        self._path = path
        self._max_payload_bytes = max_payload_bytes
        self._clock = clock
        self._topics = TopicTable()
        self._topic = self._topics.number_of(self.name)
        self._buffer = BatchBuffer(max_messages, max_bytes)
        self._resume: bytes = b""
        self._descriptor = -1
        self._resumes = False  # whether it is a file that can be read again from an offset
        self._ended = self._done = self._left = False  # the input; reading, without a failure; us
        self._thread: threading.Thread | None = None
        self._stop_reading, self._stopped = os.pipe()[::-1]
        weakref.finalize(self, os.close, self._stop_reading)
        weakref.finalize(self, os.close, self._stopped)

    def remember(self, resume: bytes) -> None:
        """Before `start`: what `resume_of` gave a former process."""
        self._resume = resume

    def start(self, wake: Wake) -> None:
        """Open the file and begin to read it. Idempotent.

        Raises:
            UnavailableError: it cannot be opened.

        """
        if self._thread is not None or self._left:
            return
        try:
            offset = self._open()
        except OSError as error:
            raise UnavailableError(f"source {self.name}: cannot read {self._path}: {error.strerror}") from None
        splitter = LineSplitter(self._max_payload_bytes, offset)
        self._thread = threading.Thread(target=self._read, args=(splitter, wake), name=self.name, daemon=True)
        self._thread.start()

    def take(self, limits: TakeLimits) -> MessageBatch | None:
        """The messages that wait, oldest first; None if none does."""
        return self._buffer.take(limits)

    def acknowledge(self, tokens: Sequence[Token]) -> None:
        """Nothing is to be done: how far the file was read is committed with the messages."""

    def resume_of(self, tokens: Sequence[Token]) -> bytes:
        """The position behind the last of these messages; empty where the input cannot be read again.

        Raises:
            OSError: the file cannot be read.

        """
        return Position.of(self._descriptor, tokens[-1]).encode() if tokens else b""

    def merge(self, resumes: Sequence[bytes]) -> bytes:
        """The last of several positions."""
        return next((resume for resume in reversed(resumes) if resume), b"")

    def stop_receiving(self) -> None:
        """Read nothing more; what waits can still be taken. Idempotent."""
        self._buffer.close()
        os.write(self._stop_reading, b"\0")

    def give_up(self) -> int:
        """Let go of what was read ahead: lost where the input cannot be read again, else read by the next process."""
        messages = self._buffer.clear()
        return 0 if self._resumes else messages

    @property
    def alive(self) -> bool:
        """False once it was left, or once reading has failed; at the end of the input it stays alive."""
        return self._thread is not None and (self._thread.is_alive() or (self._done and not self._left))

    @property
    def finished(self) -> bool:
        """Whether the end of the input was reached and all of it was taken."""
        return self._ended and not self._buffer.messages

    def leave(self, timeout_seconds: float) -> None:  # noqa: ARG002 - the protocol gives it
        """End the thread, which takes no time worth a timeout. Idempotent."""
        self._left = True
        self.stop_receiving()

    def _open(self) -> int:
        """Open the input; the offset to read from."""
        if str(self._path) == STDIN:
            os.fstat(_STDIN_DESCRIPTOR)  # fails where it is closed
            self._descriptor = _STDIN_DESCRIPTOR
            return 0
        self._descriptor = _open(self._path)
        # not closed before: what is taken late is committed with a position, for which the file is read again
        weakref.finalize(self, os.close, self._descriptor)
        self._resumes = stat.S_ISREG(os.fstat(self._descriptor).st_mode)
        offset = self._offset_to_resume_at() if self._resumes and self._resume else 0
        if offset:
            os.lseek(self._descriptor, offset, os.SEEK_SET)
        return offset

    def _offset_to_resume_at(self) -> int:
        position = Position.decode(self._resume)
        if position is None or not position.fits(self._descriptor):
            log.warning("a file was replaced; it is read from its beginning", path=str(self._path))
            return 0
        log.info("a file is read on from where it was left", path=str(self._path), offset=position.offset)
        return position.offset

    def _read(self, splitter: LineSplitter, wake: Wake) -> None:
        """Read to the end, or until nothing more shall be received."""
        try:
            self._ended = self._read_all(splitter, wake)
        except OSError as error:
            log.error("the input cannot be read on", path=str(self._path), reason=error.strerror)  # noqa: TRY400
            if self._resumes:  # another source may go on where this one was: it is dead, not done
                wake()
                return
            self._ended = True  # what came through a pipe or terminal that failed was all of it
        self._done = True
        wake()

    def _read_all(self, splitter: LineSplitter, wake: Wake) -> bool:
        """Whether the end of the input was reached."""
        while (chunk := self._next_chunk()) is not None:
            lines, ends = splitter.split(chunk) if chunk else splitter.finish()
            if lines:
                if not self._buffer.put(self._batch(lines, ends)):
                    return False
                wake()
            if not chunk:
                return True
        return False

    def _next_chunk(self) -> bytes | None:
        """Wait for input and read some: empty at its end, None where nothing more shall be received."""
        poll = select.poll()
        poll.register(self._stopped, select.POLLIN)
        if not self._resumes:  # a file on a disk always can be read
            poll.register(self._descriptor, select.POLLIN)
        while True:
            ready = [descriptor for descriptor, _ in poll.poll(0 if self._resumes else None)]
            if self._stopped in ready:
                return None
            with contextlib.suppress(BlockingIOError):  # somebody else was given what was there
                return os.read(self._descriptor, _CHUNK_BYTES)

    def _batch(self, lines: list[bytes], ends: list[int]) -> MessageBatch:
        count, arrival_seconds = len(lines), self._clock()
        return MessageBatch(
            self._topics,
            [self._topic] * count,
            lines,
            [arrival_seconds] * count,
            [ACKNOWLEDGE if self._resumes else 0] * count,
            cast(list[Token], ends) if self._resumes else [],
        )


def _open(path: str | Path) -> int:
    """Open a file for reading; a FIFO without waiting for somebody who writes.

    Raises:
        OSError: it cannot be opened, or is a directory.

    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise IsADirectoryError(21, "it is a directory")
    return descriptor
