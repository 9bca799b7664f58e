"""What `make setup` asks pip for, with a pip that writes down what it is asked and fetches nothing."""

import subprocess
from pathlib import Path

import pytest

from tests.repository import ROOT

INDEX = "https://torch.example.org/cpu"
PYTHON = """#!/bin/sh
mkdir -p .venv/bin
cat > .venv/bin/pip <<'END'
#!/bin/sh
echo "$*" >> asked
case "$*" in *--index-url*) exit ${UNREACHABLE:-0};; esac
END
chmod +x .venv/bin/pip
"""


def setup(folder: Path, *variables: str, unreachable: bool = False) -> tuple[str, list[str]]:
    """What `make setup` prints, and what it asks pip for."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        (folder / name).write_bytes((ROOT / name).read_bytes())
    python = folder / "python"
    python.write_text(PYTHON)
    python.chmod(0o755)
    settings = (f"PYTHON={python}", f"TORCH_CPU_INDEX={INDEX}", *variables)
    environment = {"PATH": "/usr/bin:/bin", "UNREACHABLE": str(int(unreachable))}
    done = subprocess.run(
        ["make", "setup", *settings], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout, (folder / "asked").read_text().splitlines()


def test_without_an_nvidia_device_torch_is_the_build_for_the_cpu_and_the_size_is_told(tmp_path: Path) -> None:
    printed, asked = setup(tmp_path, "NVIDIA=")
    (torch,) = [line for line in asked if line.endswith(" torch")]
    assert f"--index-url {INDEX}" in torch
    assert "--constraint constraints.txt" in torch
    assert asked.index(torch) < len(asked) - 1
    assert asked[-1].endswith("--editable .[dev]")
    assert "0.2 GB" in printed
    assert "ordinary build" not in printed


def test_an_index_that_cannot_be_reached_is_tried_once_and_the_ordinary_build_taken_with_a_word(tmp_path: Path) -> None:
    printed, asked = setup(tmp_path, "NVIDIA=", unreachable=True)
    (torch,) = [line for line in asked if "--index-url" in line]
    assert "--timeout 5 --retries 0" in torch
    assert asked[-1].endswith("--editable .[dev]")
    assert f"{INDEX} gave no torch for the CPU: pip fetches the ordinary build" in printed
    assert "5 GB" in printed


@pytest.mark.parametrize("variables", [("NVIDIA=/dev/nvidiactl",), ("NVIDIA=", "TORCH_CPU_INDEX=")])
def test_with_an_nvidia_device_or_without_an_index_pip_is_left_alone(
    tmp_path: Path, variables: tuple[str, ...]
) -> None:
    printed, asked = setup(tmp_path, *variables)
    assert not any("--index-url" in line for line in asked)
    assert ("5 GB" in printed) == ("NVIDIA=/dev/nvidiactl" in variables)
