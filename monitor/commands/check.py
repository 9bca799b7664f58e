"""`residuald check`: a configuration and its artifacts, every problem at once."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.errors import ArtifactError, ConfigError

if TYPE_CHECKING:  # torch and pydantic are loaded when the command runs, so that --help is quick
    from monitor.setup.build import Setup

_EPILOG = """\
Reads what `residuald run` would read, the same way: the configuration, the password and certificate files it names, and
the artifact of each model with its golden windows. It connects to nothing and changes nothing.

examples:
  residuald check --config configs/monitor.toml
  residuald check --config /etc/residuald/monitor.toml && systemctl reload residuald

exit codes:
  0 it can be used   78 it cannot, and every problem is listed with its dotted path
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
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print what the configuration comes to.

    Raises:
        ConfigError: with every problem of the configuration and its artifacts.

    """
    from monitor.setup.summary import summary  # noqa: PLC0415 - keeps torch out of --help

    setup = check(args.config)
    print(f"{args.config} is fine.\n")
    for line in summary(setup):
        print(line)
    return 0


def check(path: Path) -> "Setup":
    """Load a configuration and its artifacts; where the first is wrong, look at the second all the same.

    Raises:
        ConfigError: with every problem of either.

    """
    from monitor.setup.build import load_setup  # noqa: PLC0415 - keeps torch out of --help

    try:
        return load_setup(path)
    except ConfigError as error:
        problems = dict.fromkeys([*error.problems, *_artifact_problems(path)])
        raise ConfigError(str(path), list(problems)) from None


def _artifact_problems(path: Path) -> Iterator[str]:
    from monitor.adapters.engines.loader import load_artifact  # noqa: PLC0415 - keeps torch out of --help
    from monitor.adapters.engines.settings import ScoringConfig  # noqa: PLC0415 - likewise
    from monitor.adapters.engines.signature import Trust  # noqa: PLC0415 - likewise
    from monitor.setup.artifact_choice import require_model  # noqa: PLC0415 - likewise
    from monitor.setup.config_file import sound_artifacts, sound_models  # noqa: PLC0415 - likewise

    artifacts = sound_artifacts(path)
    if artifacts is None:  # whose artifacts are trusted is not known: loading one runs its code
        return
    try:
        trust = Trust(artifacts)
    except ArtifactError as error:
        yield str(error)
        return
    models = sound_models(path)
    names = [model.name for model in models.values()]
    for dotted, model in models.items():
        try:
            artifact = load_artifact(model.path, ScoringConfig(device="cpu"), max_batch=1, trust=trust)
            if names.count(model.name) == 1:  # else one of the names is wrong itself
                require_model(artifact, model)
        except ArtifactError as error:
            yield f"{dotted}.path: {error}"
