"""What documents name exists: files, programs, and the tests that protections rest on."""

import importlib.util
import re
from pathlib import Path

import pytest

from tests.repository import ROOT

DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/**/*.md", "configs/**/*.md", "tests/*.md", "Makefile", ".ci/run")
    for path in ROOT.glob(pattern)
)
SOURCES = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in ("monitor", "trainer", "benchmarks", "tests", "configs", "docs")
    for path in (ROOT / folder).rglob("*.py")
)
HISTORY = {"CHANGELOG.md"}  # tells of files as they were

# A path with a folder and a suffix of ours. Short forms are meant from the package they speak of.
NAMED = re.compile(r"(?<![\w./{$*<-])((?:[\w.-]+/)+[\w-]+\.(?:py|md|toml|service|timer|ui))(?![\w/*])")
PROGRAM = re.compile(r"-m (benchmarks\.[a-z_]+|docs\.[a-z_]+)")
BASES = ("", "monitor", "trainer", "benchmarks", "tests", "docs", "configs")


def missing(text: str, beside: Path) -> list[str]:
    """The paths that a text names and that lead nowhere. beside: the folder that its links start from."""
    return [
        name
        for name in NAMED.findall(text)
        if not any((base / name).exists() for base in (beside, *(ROOT / part for part in BASES)))
    ]


@pytest.mark.parametrize("document", [path for path in DOCUMENTS if path not in HISTORY])
def test_every_path_that_a_document_names_exists(document: str) -> None:
    assert missing((ROOT / document).read_text(encoding="utf-8"), (ROOT / document).parent) == []


def test_every_source_file_that_a_source_file_names_exists() -> None:
    found = {}
    for path in SOURCES:
        text = "\n".join(re.findall(r'"""(?:.|\n)*?"""|# .*', (ROOT / path).read_text(encoding="utf-8")))
        if names := [name for name in missing(text, (ROOT / path).parent) if name.endswith(".py")]:
            found[path] = names
    assert found == {}


def test_every_program_that_a_document_runs_exists() -> None:
    named = {name for path in (*DOCUMENTS, *SOURCES) for name in PROGRAM.findall((ROOT / path).read_text("utf-8"))}
    assert named
    assert [name for name in sorted(named) if importlib.util.find_spec(name) is None] == []


def test_every_test_that_protections_name_exists() -> None:
    text = (ROOT / "tests" / "PROTECTIONS.md").read_text(encoding="utf-8")
    rows = re.findall(r"`((?:unit|training|integration)/\S+\.py)`: ([^|\n]+?) \|", text)
    assert len(rows) > 50
    tests = {file: (ROOT / "tests" / file).read_text(encoding="utf-8") for file, _ in rows}
    parts = [(file, part) for file, words in rows for part in re.sub(r"\(.*", "", words).split(";")]
    names = [(file, re.sub(r"\W+", "_", part.strip())) for file, part in parts]
    assert [(file, name) for file, name in names if f"def test_{name}(" not in tests[file]] == []


def test_every_page_has_one_line_in_the_index_of_the_documentation() -> None:
    docs = ROOT / "docs"
    pages = sorted(path.relative_to(docs).as_posix() for path in docs.rglob("*.md") if path != docs / "README.md")
    lines = re.findall(r"^\* \[(\S+\.md)\]\((\S+)\): \w", (docs / "README.md").read_text("utf-8"), flags=re.MULTILINE)
    assert sorted(target for _, target in lines) == pages
    assert [shown for shown, target in lines if shown != target] == []


@pytest.mark.parametrize("document", ["README.md", "ARCHITECTURE.md"])
def test_the_index_of_the_documentation_is_linked(document: str) -> None:
    assert "(docs/README.md)" in (ROOT / document).read_text("utf-8")


def test_the_check_finds_a_path_that_leads_nowhere() -> None:
    text = "see `monitor/core/nowhere.py` and `monitor/core/__init__.py`"
    assert missing(text, ROOT) == ["monitor/core/nowhere.py"]


def test_every_file_that_the_map_of_rooms_names_stands_in_its_room() -> None:
    """A room ends in a slash, below the package named last; single words between commas are files, others are prose."""
    (rooms,) = re.findall(r"## Rooms.*?```\n(.*?)```", (ROOT / "ARCHITECTURE.md").read_text("utf-8"), re.DOTALL)
    package, named = "", []
    for room, content in re.findall(r"(\S+/)(?= )((?:(?!\s\S+/ ).)*)", re.sub(r"\([^()]*\)", "", rooms), re.DOTALL):
        package = room if room.startswith(("monitor/", "trainer/")) else package
        folder = ROOT / (room if room == package else package + room)
        named += [folder / name for name in re.split(r"[,;:]\s*", content.strip()) if re.fullmatch(r"\w+", name)]
    assert len(named) > 150
    gone = [path for path in named if not path.with_suffix(".py").exists()]
    assert gone == []
