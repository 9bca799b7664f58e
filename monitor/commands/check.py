"""`residuald check`: a configuration and its artifacts, every problem at once."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.errors import ArtifactError, ConfigError, UnavailableError

if TYPE_CHECKING:  # torch and pydantic are loaded when the command runs, so that --help is quick
    from monitor.setup.build import Setup

_EPILOG = """\
Reads what `residuald run` would read, the same way: the configuration, the password and certificate files it names, and
the artifact of each model with its golden windows. It changes nothing, and connects to nothing unless told to.

--connect also tries the broker: it connects as a client of its own, subscribes to what the daemon would, says what the
broker refuses and leaves. Whether the daemon may publish is not tried: that would change what others see.

--without-secrets takes password, key and header files to be as they should: for `ExecReload=` of the unit, which
systemd does not show the credentials of the service. The daemon itself looks at them when it reloads.

examples:
  residuald check --config configs/monitor.toml
  residuald check --config configs/monitor.toml --connect

exit codes:
  0 it can be used   78 it cannot, and every problem is listed with its dotted path
  69 with --connect: the broker is not there, or refuses something
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe `residuald check`."""
    parser = subparsers.add_parser(
        "check",
        help="check a configuration and its artifacts",
        description="Check a configuration and the artifacts of its models, and show what it comes to.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="the configuration (TOML)")
    parser.add_argument("--connect", action="store_true", help="also try the broker")
    parser.add_argument("--without-secrets", action="store_true", help="leave files with secrets alone")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print what the configuration comes to.

    Raises:
        ConfigError: with every problem of the configuration and its artifacts.
        UnavailableError: the broker was to be tried, and refuses something or is not there.

    """
    from monitor.setup.summary import summary  # noqa: PLC0415 - keeps torch out of --help

    setup = check(args.config, secrets=not args.without_secrets)
    print(f"{args.config} is fine.\n")
    for line in summary(setup):
        print(line)
    if args.connect:
        _try_broker(setup)
    return 0


def check(path: Path, *, secrets: bool = True) -> "Setup":
    """Load a configuration and its artifacts; where the first is wrong, look at the second all the same.

    secrets: whether files that hold secrets are looked at.

    Raises:
        ConfigError: with every problem of either.

    """
    from monitor.setup.build import load_setup  # noqa: PLC0415 - keeps torch out of --help

    try:
        return load_setup(path, secrets=secrets)
    except ConfigError as error:
        problems = dict.fromkeys([*error.problems, *_artifact_problems(path)])
        raise ConfigError(str(path), list(problems)) from None


def _try_broker(setup: "Setup") -> None:
    from monitor.adapters.mqtt.trial import TrialError, try_broker  # noqa: PLC0415 - keeps torch out of --help
    from monitor.setup.build import subscriptions_of  # noqa: PLC0415 - likewise
    from monitor.setup.client_id import beside_daemon  # noqa: PLC0415 - likewise

    config = setup.config
    if not config.uses_broker:
        print("\nThere is no broker to try: no source has a topic.")
        return
    topics = subscriptions_of(config)
    try:
        refused = try_broker(beside_daemon(config.mqtt, "check"), topics)
    except TrialError as error:
        raise UnavailableError(f"no connection: {error}") from None
    if refused:
        raise UnavailableError("\n".join(["the broker refuses", *(f"  {sentence}" for sentence in refused)]))
    print(f"\n{config.mqtt.host}:{config.mqtt.port} lets us in and grants {len(topics)} subscriptions.")


def _artifact_problems(path: Path) -> Iterator[str]:
    from monitor.adapters.engines.loader import load_artifact  # noqa: PLC0415 - keeps torch out of --help
    from monitor.adapters.engines.settings import ArtifactsConfig, ScoringConfig  # noqa: PLC0415 - likewise
    from monitor.adapters.engines.signature import Trust  # noqa: PLC0415 - likewise
    from monitor.setup.artifact_choice import require_model  # noqa: PLC0415 - likewise
    from monitor.setup.config_file import sound_models, sound_section  # noqa: PLC0415 - likewise

    artifacts = sound_section(path, "artifacts", ArtifactsConfig)
    if artifacts is None:  # whose artifacts are trusted is not known: loading one runs its code
        return
    try:
        trust = Trust(artifacts)
    except ArtifactError as error:
        yield str(error)
        return
    scoring = sound_section(path, "scoring", ScoringConfig) or ScoringConfig()
    models = sound_models(path)
    names = [model.name for model in models.values()]
    for dotted, model in models.items():
        try:
            artifact = load_artifact(model.path, scoring, max_batch=1, trust=trust)
            if names.count(model.name) == 1:  # else one of the names is wrong itself
                require_model(artifact, model)
        except ArtifactError as error:
            yield f"{dotted}.path: {error}"
