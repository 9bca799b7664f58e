"""Types of command-line arguments that several commands share; a wrong one is explained on one line."""

import argparse
import math

from monitor.core.sources.topics import TopicPattern

DEFAULT_PORT = 1883


def count(text: str) -> int:
    """Parse a whole number above 0."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def not_negative(text: str) -> float:
    """Parse a finite number from 0 up."""
    try:
        number = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 0 up")
    return number


def positive(text: str) -> float:
    """Parse a finite number above 0."""
    number = not_negative(text)
    if number == 0:
        raise argparse.ArgumentTypeError("must be above 0")
    return number


def bursts(text: str) -> tuple[float, float]:
    """Parse `LENGTH/EVERY` in seconds."""
    length, slash, every = text.partition("/")
    if not slash:
        raise argparse.ArgumentTypeError(f"{text!r} is not LENGTH/EVERY, e.g. 2/10: 2 s of every 10 s")
    return positive(length), positive(every)


def host_port(text: str) -> tuple[str, int]:
    """Parse `HOST` or `HOST:PORT`."""
    host, colon, port = text.rpartition(":")
    if not colon and text:
        return text, DEFAULT_PORT
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST or HOST:PORT")
    return host, int(port)


def topic_pattern(text: str) -> TopicPattern:
    """Parse a topic pattern."""
    try:
        return TopicPattern.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
