"""Rules 2 to 4 of ARCHITECTURE.md, held over the source of both packages."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TORCHSCRIPT_FILES = {"trainer/export.py", "monitor/adapters/torchscript.py"}

# What the core may use. Of the standard library only what computes; a module that is missing here needs a reason.
PURE = {
    *("abc", "base64", "bisect", "collections", "csv", "dataclasses", "datetime", "enum", "functools", "io"),
    *("itertools", "json", "math", "operator", "re", "statistics", "string", "struct", "typing", "uuid", "zoneinfo"),
    *("numpy", "scipy", "pydantic", "msgspec", "monitor.core"),
    "pathlib.PurePath",  # names of files, without files
    "mmap",  # memory, without files: see the test below
}
# What looks pure and yet reaches for the world: files, the terminal, the clock, the environment, chance.
WORLDLY = {
    *("open", "print", "input", "exec", "eval", "breakpoint", "__import__"),
    *("io.open", "datetime.now", "datetime.utcnow", "datetime.today", "date.today", "uuid.uuid1", "uuid.uuid4"),
    *("np.fromfile", "np.loadtxt", "np.genfromtxt", "np.memmap", "np.random"),
}


def sources(package: str) -> list[str]:
    """All Python files of a package, by their path below the root."""
    return sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / package).rglob("*.py"))


def parse(path: str) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


def imports(tree: ast.AST) -> Iterator[str]:
    """Everything that is imported, wherever it stands, by its full dotted name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def dotted(node: ast.AST) -> str:
    """A name or attribute as it is written, e.g. `np.random.normal`; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}".lstrip(".")
    return ""


def within(name: str, modules: set[str]) -> bool:
    """Whether a dotted name is one of these or inside one."""
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def impurities(tree: ast.Module) -> list[str]:
    """What breaks rule 2 in a file of the core."""
    foreign = [name for name in imports(tree) if not within(name, PURE) or within(name, WORLDLY)]
    names = (dotted(node) for node in ast.walk(tree) if isinstance(node, ast.Name | ast.Attribute))
    return foreign + [name for name in names if within(name, WORLDLY)]


def torchscript(tree: ast.Module) -> list[str]:
    """Where TorchScript is named in code."""
    names = (dotted(node) for node in ast.walk(tree) if isinstance(node, ast.Name | ast.Attribute))
    return [name for name in (*imports(tree), *names) if within(name, {"torch.jit"})]


@pytest.mark.parametrize("path", sources("monitor/core"))
def test_the_core_is_pure(path: str) -> None:
    assert impurities(parse(path)) == []


def test_a_daemon_that_cuts_no_beats_does_not_load_scipy() -> None:
    program = "import sys, monitor.app; print(*(name for name in sys.modules if name.startswith('scipy.signal')))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("path", sources("monitor/core"))
def test_the_core_maps_memory_and_no_files(path: str) -> None:
    calls = [node for node in ast.walk(parse(path)) if isinstance(node, ast.Call) and dotted(node.func) == "mmap.mmap"]
    assert all(ast.unparse(call.args[0]) == "-1" for call in calls)


@pytest.mark.parametrize("path", sources("monitor"))
def test_the_daemon_knows_nothing_of_the_trainer_and_torch_stays_in_one_file(path: str) -> None:
    names = list(imports(parse(path)))
    assert [name for name in names if within(name, {"trainer"})] == []
    if path not in TORCHSCRIPT_FILES:
        assert [name for name in names if within(name, {"torch"})] == []


@pytest.mark.parametrize("path", sources("trainer"))
def test_the_trainer_uses_the_core_and_nothing_else_of_the_daemon(path: str) -> None:
    allowed = {"monitor.core", "monitor.__version__"}
    foreign = [name for name in imports(parse(path)) if within(name, {"monitor"}) and not within(name, allowed)]
    assert foreign == []


@pytest.mark.parametrize("path", sorted({*sources("monitor"), *sources("trainer")} - TORCHSCRIPT_FILES))
def test_torchscript_is_named_in_two_files_only(path: str) -> None:
    assert torchscript(parse(path)) == []


def test_the_two_files_are_there_and_name_it() -> None:
    assert all(torchscript(parse(path)) for path in TORCHSCRIPT_FILES)


@pytest.mark.parametrize(
    "code",
    [
        "import os",
        "import time",
        "from time import monotonic",
        "def f():\n    import socket",
        "import logging",
        "from pathlib import Path",
        "from monitor.adapters.inbox import Inbox",
        "import torch",
        "from io import open",
        "x = open('f')",
        "print('x')",
        "from datetime import datetime\nx = datetime.now()",
        "import numpy as np\nx = np.random.default_rng()",
        "import uuid\nx = uuid.uuid4()",
    ],
)
def test_the_check_finds_what_is_not_pure(code: str) -> None:
    assert impurities(ast.parse(code))


@pytest.mark.parametrize(
    "code", ["from pathlib import PurePath", "import numpy as np\nx = np.opener", "from monitor.core.names import Name"]
)
def test_the_check_leaves_alone_what_is_pure(code: str) -> None:
    assert not impurities(ast.parse(code))


@pytest.mark.parametrize("code", ["import torch.jit", "from torch import jit", "import torch\ntorch.jit.load('x')"])
def test_the_check_finds_torchscript(code: str) -> None:
    assert torchscript(ast.parse(code))
