"""`residuald run`: the daemon."""

import argparse
import faulthandler
import os
import sys
from pathlib import Path

_EPILOG = """\
The configuration is checked first, with its artifacts, exactly as `residuald check` does. Then the daemon subscribes,
scores and reports until it gets SIGTERM or SIGINT; it stops within 5 seconds. SIGHUP loads the configuration and the
artifacts again, and keeps the old ones if anything is wrong with the new. A new `current` artifact is taken by itself.

example:
  residuald run --config configs/monitor.toml

exit codes:
  0 stopped as asked   69 the HTTP port is taken   70 a thread hung (the log says which; systemd starts it anew)
  78 the configuration or an artifact cannot be used
A broker that cannot be reached does not end it: it keeps trying, and /readyz, the metric residuald_mqtt_connected and
the log say so.
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe `residuald run`."""
    parser = subparsers.add_parser(
        "run",
        help="run the daemon",
        description="Watch the streams that the configuration names, until told to stop.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="the configuration (TOML)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run until told to stop.

    Raises:
        ConfigError: the configuration or an artifact cannot be used.
        UnavailableError: the HTTP port is taken.

    """
    faulthandler.enable()  # on SIGABRT, which systemd's watchdog sends, the log gets every thread's stack
    # structlog imports rich wherever it is installed, for coloured tracebacks: 80 ms and 10 MB that no daemon needs
    sys.modules["rich"] = None  # type: ignore[assignment]
    # imported here: torch takes a second, too long for --help
    from monitor.adapters.process.logs import configure_logs  # noqa: PLC0415
    from monitor.adapters.process.sd_notify import Notifier  # noqa: PLC0415
    from monitor.daemon.app import App  # noqa: PLC0415
    from monitor.setup.build import load_setup  # noqa: PLC0415

    setup = load_setup(args.config)
    configure_logs(setup.config.log)
    App(args.config, setup, Notifier.from_environment(os.environ)).run()
    return 0
