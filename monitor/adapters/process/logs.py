"""Logs: structlog to standard error, for people on a terminal, as JSON otherwise.

This file owns two promises. A line that repeats is written once per `_REPEAT_SECONDS`, and the next one says how many
were suppressed; so a broker that is away, or a sensor that talks nonsense a thousand times a second, fills no disk.
And nothing that comes from outside (a topic, a payload's beginning) can end a line or colour the terminal.
"""

import contextlib
import io
import logging
import sys
import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable
from typing import TextIO, cast

import structlog
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

from monitor.adapters.process.settings import LogConfig

_REPEAT_SECONDS = 30.0
_MAX_REMEMBERED = 1024
# lines are repeats if these agree; other fields (a topic, a detail) may differ
_IDENTITY = ("level", "event", "source", "stream", "model", "models", "reason", "problems")


def configure_logs(
    config: LogConfig, stream: TextIO | None = None, monotonic: Callable[[], float] = time.monotonic
) -> None:
    """Set up logging for the process: ours, and warnings of the libraries.

    stream: standard error unless given. monotonic: seconds, for the limit on repeats.
    """
    target = sys.stderr if stream is None else stream
    json = config.format == "json" or (config.format == "auto" and not target.isatty())
    level = logging.getLevelNamesMapping()[config.level.upper()]
    processors: list[Processor] = [
        structlog.processors.add_log_level,
        RepeatLimiter(_REPEAT_SECONDS, monotonic),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if json:
        processors += [
            structlog.processors.format_exc_info,
            _put_first,
            structlog.processors.JSONRenderer(default=str),
        ]
    else:
        colors = target.isatty()
        processors += [
            escape_control_characters,
            structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=_write_traceback, sort_keys=False),
        ]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, _Unbreakable(target))),
        cache_logger_on_first_use=False,
    )
    logging.captureWarnings(capture=True)
    logging.basicConfig(handlers=[_FromLibraries()], level=logging.WARNING, force=True)


class RepeatLimiter:
    """Lets a line through at most once per `interval_seconds`; the next one carries `suppressed`, how many were not.

    It remembers the `_MAX_REMEMBERED` lines that were written last.
    """

    def __init__(self, interval_seconds: float, monotonic: Callable[[], float]) -> None:
        self._interval_seconds = interval_seconds
        self._monotonic = monotonic
        self._written: OrderedDict[tuple[object, ...], list[float]] = OrderedDict()  # line -> [when, suppressed since]
        self._lock = threading.Lock()

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        """Pass the line on, or drop it (a structlog processor)."""
        line = tuple(str(event.get(name)) for name in _IDENTITY)
        now = self._monotonic()
        with self._lock:
            last = self._written.get(line)
            if last is not None and now - last[0] < self._interval_seconds:
                last[1] += 1
                raise structlog.DropEvent
            self._written[line] = [now, 0]
            self._written.move_to_end(line)
            if len(self._written) > _MAX_REMEMBERED:
                self._written.popitem(last=False)
        if last is not None and last[1]:
            event["suppressed"] = int(last[1])
        return event


def escape_control_characters(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Write what is not printable in texts as escapes; other values are rendered so anyway."""
    return {key: _escaped(value) if isinstance(value, str) else value for key, value in event.items()}


def _put_first(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {name: event[name] for name in ("timestamp", "level", "event")} | dict(event)


def _escaped(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def _write_traceback(stream: TextIO, exc_info: ExcInfo) -> None:
    # indented, so that no line of an exception's text looks like a line of the log
    lines = "".join(traceback.format_exception(*exc_info)).splitlines()
    stream.write("".join(f"\n    {_escaped(line)}" for line in lines))


class _Unbreakable(io.TextIOBase):
    """A stream that swallows write errors: whoever reads the logs may go away, and monitoring goes on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError, ValueError):  # ValueError: the stream is closed
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()


class _FromLibraries(logging.Handler):
    """Passes on what libraries log through the standard library."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().log(record.levelno, record.getMessage(), library=record.name, exc_info=record.exc_info)
