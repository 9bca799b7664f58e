"""`residuald-trainer keygen`: a pair of keys to sign artifacts with."""

import argparse

from rich.console import Console

from trainer.artifact.signing import make_keys


def run(args: argparse.Namespace) -> int:
    """Make the keys and say where they belong."""
    public = make_keys(args.key)
    out = Console(soft_wrap=True, highlight=False)
    out.print(f"private key  {args.key}  (keep it where you train; whoever has it can sign)")
    out.print(f"public key   {public}  (copy it to where the daemon runs)")
    out.print("\nthe daemon then loads only what was signed:\n", highlight=False)
    out.print(f'  \\[artifacts]\n  require_signature = true\n  trusted_keys = ["{public.name}"]')
    out.print(
        "\na key for a trainer that refits by itself goes beside the trusted ones, and is worth less (SECURITY.md):\n"
    )
    out.print(f'  refit_keys = ["{public.name}"]')
    return 0
