"""The most windows a second that the model alone can score: frozen TorchScript on one core, nothing around it.

Tries batch sizes and prints the windows per second of each as JSON.
"""

import argparse
import json
import time
import warnings
from pathlib import Path

import torch

from monitor.adapters.engines.allocator import keep_freed_memory
from monitor.adapters.engines.model_folder import resolve_artifact
from monitor.core.artifact.manifest import MANIFEST_FILE, parse_manifest

BATCHES = (1, 4, 16, 32, 64, 128, 256, 512, 1024)
_WARM_UP_CALLS = 3


def windows_per_second(model: Path, seconds_per_batch: float) -> dict[int, float]:
    """Score the artifact's golden windows over and over, at each batch size."""
    torch.set_num_threads(1)
    extra: dict[str, str] = {MANIFEST_FILE: ""}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*torch.jit", category=DeprecationWarning)
        module = torch.jit.load(str(resolve_artifact(model)), _extra_files=extra)  # type: ignore[no-untyped-call]
        module = torch.jit.freeze(module.eval())
    golden = parse_manifest(extra[MANIFEST_FILE]).golden
    columns = [torch.from_numpy(part.numpy().copy()) for part in (golden.windows, golden.centre, golden.scale)]
    rates = {}
    for batch in BATCHES:
        arguments = [column[torch.arange(batch) % len(column)].contiguous() for column in columns]
        with torch.inference_mode():
            for _ in range(_WARM_UP_CALLS):
                module(*arguments)
            began = time.perf_counter()
            calls = 0
            while (taken := time.perf_counter() - began) < seconds_per_batch:
                module(*arguments)
                calls += 1
        rates[batch] = calls * batch / taken
    return rates


def main() -> None:
    """Read the command line and print the rates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="an artifact, or the folder of a model")
    parser.add_argument("--seconds", type=float, default=0.3, help="for each batch size")
    parser.add_argument("--keep-memory", action="store_true", help="with the allocator told to, as residuald tells it")
    args = parser.parse_args()
    if args.keep_memory:
        keep_freed_memory()
    print(json.dumps(windows_per_second(args.model, args.seconds)))


if __name__ == "__main__":
    main()
