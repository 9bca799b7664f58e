"""Log lines: limited when they repeat, not to be forged, and never the end of the process."""

import io
import json
import logging
import sys
import warnings
from collections.abc import Iterator
from typing import Any, Literal

import pytest
import structlog

from monitor.adapters.process.logs import configure_logs
from monitor.adapters.process.settings import LogConfig


class Clock:
    """A monotonic clock that a test turns."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)


def logger(
    stream: io.StringIO, kind: Literal["auto", "console", "json"] = "json", clock: Clock | None = None
) -> structlog.typing.FilteringBoundLogger:
    configure_logs(LogConfig(format=kind), stream, clock or Clock())
    made: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return made


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_lines_begin_with_time_in_utc_level_and_event() -> None:
    stream = io.StringIO()
    logger(stream).info("running", streams=3)
    (line,) = lines(stream)
    assert list(line) == ["timestamp", "level", "event", "streams"]
    assert line["timestamp"].endswith("Z")
    assert (line["level"], line["event"], line["streams"]) == ("info", "running", 3)


@pytest.mark.parametrize(("stream", "is_json"), [(io.StringIO, True), (Terminal, False)])
def test_auto_is_console_on_a_terminal_and_json_elsewhere(stream: type[io.StringIO], is_json: bool) -> None:
    target = stream()
    logger(target, "auto").info("running")
    assert target.getvalue().startswith("{") == is_json


def test_lines_below_the_level_are_left_out() -> None:
    stream = io.StringIO()
    logger(stream).debug("detail")
    assert stream.getvalue() == ""


def test_a_repeated_line_is_written_once_and_then_with_the_count_of_what_was_suppressed() -> None:
    stream, clock = io.StringIO(), Clock()
    log = logger(stream, clock=clock)
    for _ in range(5):
        log.warning("discarded", source="motors", reason="malformed", topic="plant/a")
    clock.seconds = 29.9
    log.warning("discarded", source="motors", reason="malformed", topic="plant/b")
    clock.seconds = 30.0
    log.warning("discarded", source="motors", reason="malformed", topic="plant/c")
    clock.seconds = 61.0
    log.warning("discarded", source="motors", reason="malformed", topic="plant/d")
    assert [(line["topic"], line.get("suppressed")) for line in lines(stream)] == [
        ("plant/a", None),
        ("plant/c", 5),
        ("plant/d", None),
    ]


def test_lines_about_other_things_are_no_repeats() -> None:
    stream = io.StringIO()
    log = logger(stream)
    log.warning("discarded", source="motors", reason="malformed")
    log.warning("discarded", source="motors", reason="empty")
    log.warning("discarded", source="hearts", reason="malformed")
    log.error("discarded", source="motors", reason="malformed")
    log.warning("alert", stream="plant1.motor-1")
    log.warning("alert", stream="plant1.motor-2")
    assert len(lines(stream)) == 6


def test_the_limit_on_repeats_holds_memory_bounded() -> None:
    stream = io.StringIO()
    log = logger(stream)
    for number in range(3000):
        log.warning("alert", stream=f"motor-{number}")
    log.warning("alert", stream="motor-2999")
    log.warning("alert", stream="motor-0")  # long forgotten, so it is news
    assert len(lines(stream)) == 3001


HOSTILE = "x\n2026-01-01T00:00:00Z [error    ] forged\r\x1b[2J\x07"


@pytest.mark.parametrize("kind", ["console", "json"])
def test_what_comes_from_outside_can_neither_end_a_line_nor_steer_the_terminal(
    kind: Literal["console", "json"],
) -> None:
    stream = io.StringIO()
    logger(stream, kind).warning(HOSTILE, topic=HOSTILE, nested={"topic": HOSTILE}, listed=[HOSTILE])
    text = stream.getvalue()
    assert text.count("\n") == 1
    assert text.endswith("\n")
    assert text[:-1].isprintable()


def fail_with(text: str) -> None:
    raise ValueError(text)


def test_the_text_of_an_exception_cannot_forge_a_line_either() -> None:
    stream = io.StringIO()
    log = logger(stream, "console")
    try:
        fail_with(HOSTILE)
    except ValueError:
        log.exception("failed")
    first, *rest = stream.getvalue().splitlines()
    assert "failed" in first
    assert any("ValueError" in line for line in rest)
    assert all(line.startswith("    ") and line.isprintable() for line in rest)


def test_ordinary_letters_stay_readable() -> None:
    stream = io.StringIO()
    logger(stream, "console").info("läuft", topic="Öfen/Ω")
    assert "läuft" in stream.getvalue()
    assert "Öfen/Ω" in stream.getvalue()


def test_what_libraries_log_and_warn_comes_out_the_same_way() -> None:
    stream = io.StringIO()
    logger(stream)
    logging.getLogger("paho").warning("odd packet %d", 7)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("old function", stacklevel=1)
    first, second = lines(stream)
    assert (first["event"], first["library"], first["level"]) == ("odd packet 7", "paho", "warning")
    assert "old function" in second["event"]


def test_a_reader_that_goes_away_does_not_stop_us() -> None:
    stream = io.StringIO()
    log = logger(stream)
    stream.close()
    log.error("nobody reads this")


def test_logs_go_to_standard_error_unless_told_otherwise(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(LogConfig(format="json"))
    structlog.get_logger().info("running")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert json.loads(captured.err)["event"] == "running"
    assert sys.stderr is not sys.__stderr__  # it was the captured one that was written to
