"""`residuald record`: the messages of a configuration's sources, as they come, into a file."""

import argparse
import os
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from monitor.commands.arguments import count, positive
from monitor.errors import ConfigError, OutputError, UnavailableError

if TYPE_CHECKING:  # loaded when the command runs, so that --help is quick
    from monitor.adapters.mqtt.link import MqttLink
    from monitor.core.values.messages import MessageBatch

_PATIENCE_SECONDS = 30.0
_TURN_SECONDS = 0.25
_STOP_SECONDS = 2.0

_EPILOG = f"""\
Subscribes to what the daemon would, and writes every message with its time of arrival, so that `residuald replay` can
put it through the same pipeline later. It listens in: the daemon and its session at the broker are not disturbed.
It ends after --duration, at --max-bytes, or on Ctrl-C; what was recorded until then is whole in any case.

examples:
  ten minutes of what the shipped configuration listens to
    residuald record --config configs/monitor.toml --out monday.capture --duration 600
  then judge it, as fast as it goes
    residuald replay --config configs/monitor.toml monday.capture

exit codes:
  0 recorded   69 no broker within {_PATIENCE_SECONDS:.0f} s   73 exists or cannot be written   78 bad configuration
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe `residuald record`."""
    parser = subparsers.add_parser(
        "record",
        help="record messages as they come, for replay",
        description="Record the messages of the sources that a configuration names.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="the configuration (TOML)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the capture to write; must not exist")
    parser.add_argument("--duration", type=positive, metavar="S", help="end after so many seconds (default: endless)")
    parser.add_argument("--max-bytes", type=count, metavar="N", help="end before the file is larger (default: endless)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Record until the end.

    Raises:
        ConfigError: the configuration cannot be used.
        OutputError: the file exists or cannot be written.
        UnavailableError: there is no broker.

    """
    from monitor.adapters.mqtt.inbox import Inbox  # noqa: PLC0415 as above
    from monitor.adapters.mqtt.link import MqttLink  # noqa: PLC0415
    from monitor.adapters.process.logs import configure_logs  # noqa: PLC0415
    from monitor.core.dataset.capture import encode_header  # noqa: PLC0415
    from monitor.setup.client_id import beside_daemon  # noqa: PLC0415
    from monitor.setup.config_file import load_config  # noqa: PLC0415

    config = load_config(args.config)
    configure_logs(config.log.model_copy(update={"level": "warning"}))  # the live line tells the rest
    topics = [(source.pattern.subscription, source.qos) for source in config.source if source.topic is not None]
    if not topics:
        raise ConfigError(str(args.config), ["source: none has a topic, so there is nothing to record"])
    inbox = Inbox(config.limits.max_inbox_messages, config.limits.max_inbox_bytes)
    mqtt = beside_daemon(config.mqtt, "record")
    link = MqttLink(mqtt, topics, inbox, max_payload_bytes=config.limits.max_payload_bytes, listen_only=True)
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with open(args.out, "xb", opener=_for_us_alone) as file:
            recorder = _Recorder(file, args.max_bytes)
            recorder.start(encode_header(config.source))
            _record(recorder, link, stop, args.duration)
    except UnavailableError:
        args.out.unlink()  # nothing is in it, and the next attempt may want the name
        raise
    except FileExistsError:
        raise OutputError(f"{args.out} exists; give another name or remove it") from None
    except OSError as error:
        raise OutputError(f"cannot write {args.out}: {error.strerror}") from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    print(f"{args.out}: {recorder.messages} messages, {recorder.bytes} bytes")
    if inbox.dropped:
        print(f"{inbox.dropped} messages were lost: they came faster than they could be written")
    if not recorder.messages:
        print(f"nothing came on {', '.join(topic for topic, _ in topics)}")
    return 0


def _for_us_alone(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)  # what devices say is nobody else's business


class _Recorder:
    """The file that is written; `full` once `max_bytes` are reached."""

    def __init__(self, file: BinaryIO, max_bytes: int | None) -> None:
        self.messages = 0
        self.bytes = 0
        self.full = False
        self._file = file
        self._max_bytes = max_bytes

    def start(self, header: bytes) -> None:
        self._file.write(header)
        self.bytes += len(header)

    def write(self, batch: "MessageBatch") -> int:
        """Write messages until the file is full; how many were written."""
        from monitor.core.dataset.capture import encode_message  # noqa: PLC0415 as above

        for number, message in enumerate(batch.rows()):
            record = encode_message(message)
            if self._max_bytes is not None and self.bytes + len(record) > self._max_bytes:
                self.full = True
                return number
            self._file.write(record)
            self.bytes += len(record)
            self.messages += 1
        self._file.flush()
        return len(batch)


def _record(recorder: _Recorder, link: "MqttLink", stop: threading.Event, duration_seconds: float | None) -> None:
    """Write what comes until the end; say how it goes in one live line on a terminal."""
    from rich.console import Console  # noqa: PLC0415 as above

    from monitor.daemon.bell import Bell  # noqa: PLC0415

    bell = Bell()
    link.start(bell.ring)
    try:
        with Console(stderr=True).status("connecting") as line:
            _await_broker(link, stop)
            end = None if duration_seconds is None else time.monotonic() + duration_seconds
            while not stop.is_set() and not recorder.full:
                left = _TURN_SECONDS if end is None else end - time.monotonic()
                if left <= 0:
                    break
                bell.wait(min(left, _TURN_SECONDS))
                _move(recorder, link)
                broker = "" if link.connected else f"; no broker: {link.last_error}"
                line.update(f"recording: {recorder.messages} messages, {recorder.bytes / 1e6:.1f} MB{broker}")
        link.stop_receiving()
        _move(recorder, link)
    finally:
        link.stop(_STOP_SECONDS)


def _move(recorder: _Recorder, link: "MqttLink") -> None:
    """Write all that waits, as far as it fits."""
    from monitor.core.ports import TAKE_LIMITS  # noqa: PLC0415 as above

    while not recorder.full and (batch := link.take(TAKE_LIMITS)) is not None:
        link.acknowledge(batch.slice(0, recorder.write(batch)).tokens)


def _await_broker(link: "MqttLink", stop: threading.Event) -> None:
    patience = time.monotonic() + _PATIENCE_SECONDS
    while not link.connected and not stop.wait(0.01):
        if time.monotonic() > patience:
            raise UnavailableError(f"no broker within {_PATIENCE_SECONDS:.0f} s: {link.last_error}")
