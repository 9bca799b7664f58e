"""`residuald-trainer rollback`: an older version in use again, by a person's word."""

import argparse
from datetime import UTC, datetime

from rich.console import Console

from trainer.artifact.folder import CURRENT, roll_back
from trainer.artifact.signing import read_key, signature_path


def run(args: argparse.Namespace) -> int:
    """Write down that a person wants the version back, and put it in use."""
    key = None if args.key is None else read_key(args.key)
    artifact = roll_back(args.model, args.version, datetime.now(UTC), key)
    if key is None and signature_path(artifact).exists():
        note = "the artifact is signed and the rollback is not: daemons that require signatures need --key"
        Console(stderr=True).print(f"[yellow]note:[/] {note}", soft_wrap=True, highlight=False)
    Console().print(f"in use    {args.model / CURRENT} -> {artifact.name}", soft_wrap=True, highlight=False)
    return 0
