"""Who may import whom, held over the source: one table of layers for each package, and one check that reads it.

A file may import what stands on lines below its own, and its own folder. Folders on one line are strangers.
"""

import ast
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.repository import ROOT

LAYERS = {
    "monitor": (
        "cli",
        "commands",
        "daemon",
        "telemetry",
        "durability",
        "setup",
        "adapters",
        "demo",
        "pipeline",
        "simulators",
        "readers",
        "config",
        "settings",
        "core errors __init__",
    ),
    "monitor/core": (
        "outputs",
        "streams",
        "scoring dataset",
        "windows",
        "artifact",
        "alerting",
        "sources beats",
        "decode grid",
        "history",
        "ports",
        "values __init__",
    ),
    "monitor/adapters": ("artifacts engines file mqtt process storage web webhook __init__",),
    "trainer": (
        "cli commands",
        "help_texts",
        "report",
        "refit",
        "selection",
        "fitting",
        "evaluation",
        "artifact",
        "error",
        "representations",
        "registry",
        "models data",
        "training calibration",
        "settings",
        "errors __init__",
    ),
    "benchmarks": (
        "latency accuracy brokers history",
        "throughput chaos scoring fitting beats real_replay budget masking lifecycle",
        "common datasets pages __init__",
    ),
}

# What of the other package each may use. The core and all that the trainer shares with the daemon know neither.
TRAINER_USES = {
    *("monitor.core", "monitor.readers", "monitor.settings", "monitor.__version__"),
    # `refit` reads the daemon's own configuration: which models there are, where its history lies, and `[refit]`
    *("monitor.setup.config_file", "monitor.config.refit", "monitor.config.refit_bounds", "monitor.errors.ConfigError"),
}
TORCH_FILES = {"monitor/adapters/engines/torchscript.py"}  # of monitor
TORCHSCRIPT_FILES = {"trainer/artifact/export.py", *TORCH_FILES}

# What the core may use. Of the standard library only what computes; a module that is missing here needs a reason.
PURE = {
    *("abc", "base64", "bisect", "collections", "csv", "dataclasses", "datetime", "enum", "functools", "io"),
    *("itertools", "json", "math", "operator", "re", "statistics", "string", "struct", "typing"),
    *("hashlib", "unicodedata", "uuid", "zlib", "zoneinfo"),
    *("numpy", "scipy", "pydantic", "msgspec", "monitor.core"),
    "pathlib.PurePath",  # names of files, without files
    "mmap",  # memory, without files: see the test below
    *("pickletools", "struct", "zipfile", "zlib"),  # bytes taken apart, without files
    "random.Random",  # the type of a generator that is given
}
# What looks pure and yet reaches for the world: files, the terminal, the clock, the environment, chance.
WORLDLY = {
    *("open", "print", "input", "exec", "eval", "breakpoint", "__import__"),
    *("io.open", "datetime.now", "datetime.utcnow", "datetime.today", "date.today", "uuid.uuid1", "uuid.uuid4"),
    *("np.fromfile", "np.loadtxt", "np.genfromtxt", "np.memmap", "np.random"),
}


def sources(folder: str) -> list[str]:
    """All Python files below a folder, by their path below the root."""
    return sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*.py"))


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


def upward(path: str, names: list[str]) -> list[str]:
    """What a file imports that does not stand below it: `(file, import)` as text, for every table that it stands in."""
    found = []
    for folder, table in LAYERS.items():
        if not path.startswith(f"{folder}/"):
            continue
        line_of = {room: number for number, line in enumerate(table) for room in line.split()}
        room = path.removeprefix(f"{folder}/").split("/")[0].removesuffix(".py")
        if room not in line_of:
            found.append(f"{path} stands in no layer of {folder}")
            continue
        inside = folder.replace("/", ".") + "."
        for name in names:
            other = name.removeprefix(inside).split(".")[0]
            line = line_of.get(
                other, line_of.get("__init__", len(table))
            )  # no room: a name that the package itself has
            if name.startswith(inside) and other != room and line <= line_of[room]:
                found.append(f"{path} imports {name}")
    return found


def circles(graph: dict[str, set[str]]) -> list[str]:
    """Every way from a node back to itself that a walk in depth meets."""
    found: list[str] = []
    state: dict[str, int] = {}  # 1: on the way, 2: done
    way: list[str] = []

    def visit(node: str) -> None:
        state[node] = 1
        way.append(node)
        for other in sorted(graph.get(node, ())):
            if state.get(other) == 1:
                found.append(" -> ".join([*way[way.index(other) :], other]))
            elif other not in state:
                visit(other)
        way.pop()
        state[node] = 2

    for node in sorted(graph):
        if node not in state:
            visit(node)
    return found


def impurities(tree: ast.Module) -> list[str]:
    """What breaks the purity of the core in a file."""
    foreign = [name for name in imports(tree) if not within(name, PURE) or within(name, WORLDLY)]
    names = (dotted(node) for node in ast.walk(tree) if isinstance(node, ast.Name | ast.Attribute))
    return foreign + [name for name in names if within(name, WORLDLY)]


def torchscript(tree: ast.Module) -> list[str]:
    """Where TorchScript is named in code."""
    names = (dotted(node) for node in ast.walk(tree) if isinstance(node, ast.Name | ast.Attribute))
    return [name for name in (*imports(tree), *names) if within(name, {"torch.jit"})]


def test_nothing_imports_upward_and_rooms_on_one_line_are_strangers() -> None:
    paths = [path for package in ("monitor", "trainer", "benchmarks") for path in sources(package)]
    assert [line for path in paths for line in upward(path, list(imports(parse(path))))] == []


def test_no_files_import_one_another_in_a_circle() -> None:
    paths = [path for package in ("monitor", "trainer", "benchmarks") for path in sources(package)]
    module_of = {path.removesuffix(".py").removesuffix("/__init__").replace("/", "."): path for path in paths}
    graph: dict[str, set[str]] = defaultdict(set)
    for module, path in module_of.items():
        for name in imports(parse(path)):
            found = name
            while found and found not in module_of:
                found = found.rpartition(".")[0]
            if found and found != module:
                graph[module].add(found)
    assert circles(graph) == []


def test_no_folder_has_the_same_name_as_a_file_in_it() -> None:
    named_alike = [path for path in sources("monitor/core") if path.endswith(f"/{Path(path).parent.name}.py")]
    assert named_alike == []


def test_the_core_is_pure() -> None:
    assert {path: found for path in sources("monitor/core") if (found := impurities(parse(path)))} == {}


def test_the_core_maps_memory_and_no_files() -> None:
    calls = [
        call
        for path in sources("monitor/core")
        for call in ast.walk(parse(path))
        if isinstance(call, ast.Call) and dotted(call.func) == "mmap.mmap"
    ]
    assert calls
    assert all(ast.unparse(call.args[0]) == "-1" for call in calls)


def test_the_daemon_knows_nothing_of_the_trainer_and_torch_stays_in_one_file() -> None:
    for path in sources("monitor"):
        forbidden = {"trainer"} if path in TORCH_FILES else {"trainer", "torch"}
        assert [name for name in imports(parse(path)) if within(name, forbidden)] == [], path


def test_the_trainer_uses_of_the_daemon_only_what_they_share() -> None:
    for path in sources("trainer"):
        names = [name for name in imports(parse(path)) if within(name, {"monitor"})]
        assert [name for name in names if not within(name, TRAINER_USES)] == [], path


def test_torchscript_is_named_in_two_files_only() -> None:
    named = {path for package in ("monitor", "trainer") for path in sources(package) if torchscript(parse(path))}
    assert named == TORCHSCRIPT_FILES


def modules_of(program: str) -> set[str]:
    """The modules that are loaded once a program has run."""
    program += "; import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_a_daemon_that_cuts_no_beats_loads_no_filters() -> None:
    assert [name for name in modules_of("import monitor.daemon.app") if within(name, {"scipy.signal"})] == []


def test_the_daemon_loads_nothing_that_draws_on_paper_or_terminal() -> None:
    start = "from monitor.cli import main; main(['run', '--config', 'configs/nowhere.toml'])"
    loaded = modules_of(start)
    assert {"monitor.daemon.app", "structlog.dev"} <= loaded
    assert [name for name in loaded if within(name, {"rich", "matplotlib"}) and name != "rich"] == []


def test_the_command_line_does_not_load_torch_for_its_help() -> None:
    assert "torch" not in modules_of("import monitor.cli, trainer.cli")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("monitor/core/values/names.py", "monitor.core.decode.decoder"),
        ("monitor/core/decode/decoder.py", "monitor.core.grid.sample_grid"),
        ("monitor/adapters/web/server.py", "monitor.adapters.mqtt.inbox"),
        ("monitor/adapters/storage/disk_store.py", "monitor.setup.build"),
        ("monitor/elsewhere/new.py", "json"),
        ("trainer/settings/fit.py", "trainer.models.dense"),
    ],
)
def test_the_check_finds_what_stands_above_beside_or_nowhere(path: str, name: str) -> None:
    assert upward(path, [name])


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("monitor/adapters/web/server.py", "monitor.adapters.web.exposition"),
        ("monitor/durability/recovery.py", "monitor.adapters.storage.disk_store"),
        ("monitor/core/streams/router.py", "monitor.core.values.names"),
    ],
)
def test_the_check_leaves_alone_what_stands_below(path: str, name: str) -> None:
    assert not upward(path, [name])


def test_the_check_finds_circles() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}}) == ["a -> b -> c -> a"]
    assert circles({"a": {"b", "c"}, "b": {"c"}}) == []


@pytest.mark.parametrize(
    "code",
    [
        "import os",
        "import time",
        "from time import monotonic",
        "def f():\n    import socket",
        "import logging",
        "from pathlib import Path",
        "from monitor.adapters.mqtt.inbox import Inbox",
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
    "code",
    [
        "from pathlib import PurePath",
        "import numpy as np\nx = np.opener",
        "from monitor.core.values.names import Name",
    ],
)
def test_the_check_leaves_alone_what_is_pure(code: str) -> None:
    assert not impurities(ast.parse(code))


@pytest.mark.parametrize("code", ["import torch.jit", "from torch import jit", "import torch\ntorch.jit.load('x')"])
def test_the_check_finds_torchscript(code: str) -> None:
    assert torchscript(ast.parse(code))
