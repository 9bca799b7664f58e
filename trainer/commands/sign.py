"""`residuald-trainer sign`: the signature beside an artifact."""

import argparse

from rich.console import Console

from trainer.artifact.folder import sign_files
from trainer.artifact.signing import read_key


def run(args: argparse.Namespace) -> int:
    """Sign the artifact, and the ONNX model beside it where there is one."""
    for path in sign_files(args.model, read_key(args.key)):
        Console().print(f"signature  {path}", soft_wrap=True, highlight=False)
    return 0
