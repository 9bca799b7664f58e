"""Fuzz one parser, guided by coverage (libFuzzer by way of Atheris): `python -m tests.fuzz.fuzz NAME [OPTION...]`.

Options are libFuzzer's, e.g. `-max_total_time=60`, or a file to try once more. What breaks the harness's invariant is
written to a file named crash-...: put it into tests/fuzz/corpus/NAME/, under a name that says what it was.
"""

import sys
from pathlib import Path

import atheris

CORPUS = Path(__file__).parent / "corpus"


def main() -> None:
    """Run until libFuzzer ends the process."""
    name, *options = sys.argv[1:]
    with atheris.instrument_imports(include=["monitor"]):
        harness = __import__(f"tests.fuzz.harness.{name}", fromlist=["one"])
    atheris.Setup([sys.argv[0], *options, str(CORPUS / name)], harness.one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
