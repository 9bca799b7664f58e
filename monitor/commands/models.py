"""`residuald models`: which version of each model is in use, what waits, and putting another into use."""

import argparse
from importlib import import_module
from pathlib import Path

from monitor.commands.arguments import count

_ABOUT = """\
Each version of a model is a file in its folder, and `current` leads to the one in use. Every change of it is a new
generation, which counts up; a roll-back is a new generation of an old version. What a refit wrote waits in `candidates`
until all its checks hold, and then the daemon puts it into use; else it waits for a person. docs/models-in-use.md.
"""
_EPILOG = """\
examples:
  residuald models list                            all models of /etc/residuald/monitor.toml
  residuald models list models/motor               every version of one, and what waits
  residuald models compare models/motor            the version in use beside the one that waits
  residuald models promote models/motor            put into use what waits
  residuald models rollback models/motor           put back what was in use before
  residuald models freeze models/motor --note "inspection until Friday"

exit codes:
  0 done   2 usage   66 artifact   73 cannot write   75 it waits, or somebody else is changing the folder   77 key
  78 configuration
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe `residuald models`."""
    parser = subparsers.add_parser(
        "models",
        help="see, compare and change which version of a model is in use",
        description=_ABOUT,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", dest="action", required=True, metavar="ACTION")

    listing = _action(actions, "list", "the versions of models: what is in use, since when, and what waits")
    listing.add_argument(
        "models", type=Path, nargs="*", metavar="models/NAME", help="default: all of the configuration"
    )
    _add_json(listing)

    show = _action(actions, "show", "all that is to be said of one version")
    _add_model(show)
    show.add_argument("version", nargs="?", metavar="VERSION", help="default: the one in use")
    _add_json(show)

    compare = _action(actions, "compare", "two versions side by side")
    _add_model(compare)
    compare.add_argument("versions", nargs="*", metavar="VERSION", help="default: the one in use, and what waits")
    _add_json(compare)

    promote = _action(actions, "promote", "put a version into use that waits, or another one of the folder")
    _add_model(promote)
    promote.add_argument("version", nargs="?", metavar="VERSION", help="default: what waits")
    promote.add_argument(
        "--unless-waiting",
        action="store_true",
        help="only if nothing speaks against it, as the daemon does it; else say what does (exit code 75)",
    )
    promote.add_argument(
        "--as-anchor", action="store_true", help="also hold later refits to this version, for all streams"
    )
    _add_key(promote)

    rollback = _action(actions, "rollback", "put back an older version")
    _add_model(rollback)
    rollback.add_argument("version", nargs="?", metavar="VERSION", help="default: what was in use before")
    _add_key(rollback)

    freeze = _action(actions, "freeze", "let nothing be promoted but by a person")
    _add_model(freeze)
    freeze.add_argument("--note", default="", metavar="TEXT", help="why, for others")

    unfreeze = _action(actions, "unfreeze", "let versions be promoted again whose checks hold")
    _add_model(unfreeze)

    prune = _action(actions, "prune", "remove versions that nobody needs; this is done after each promotion, too")
    prune.add_argument("models", type=Path, nargs="*", metavar="models/NAME", help="default: all of the configuration")
    prune.add_argument(
        "--keep", type=count, default=None, metavar="N", help="generations to go back to at least (default: 5)"
    )
    prune.add_argument("--dry-run", action="store_true", help="only say which versions would go")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run one action.

    Raises:
        ResidualdError: it could not be done; nothing was changed.

    """
    views = args.action in ("list", "show", "compare")
    # imported when it runs, so that --help is quick
    room = import_module(f"monitor.commands.{'model_views' if views else 'model_actions'}")
    code: int = getattr(room, f"run_{args.action}")(args)
    return code


def _action(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, summary: str
) -> argparse.ArgumentParser:
    action = actions.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    action.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="the configuration that names the models (default: /etc/residuald/monitor.toml, where there is one)",
    )
    return action


def _add_model(action: argparse.ArgumentParser) -> None:
    action.add_argument("model", type=Path, metavar="models/NAME", help="the model's folder")


def _add_json(action: argparse.ArgumentParser) -> None:
    action.add_argument("--json", action="store_true", help="print JSON instead of tables")


def _add_key(action: argparse.ArgumentParser) -> None:
    action.add_argument(
        "--key",
        type=Path,
        metavar="FILE",
        help="sign the new generation: daemons that require signatures take an older version back only so",
    )
