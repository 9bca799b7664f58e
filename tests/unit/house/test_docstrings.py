"""Every array that goes into a public function is in its docstring with its shape: `score: float32 [B]`."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.unit.house.test_layers import parse, sources

ARRAYS = {"NDArray", "ArrayLike", "Tensor"}
INHERITED = re.compile(r"As `(\w+)` says")


def words(node: ast.AST) -> set[str]:
    """All names in an annotation, also in one that is quoted; none in that of a function, which is no array."""
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "Callable":
        return set()
    found = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
    for inner in ast.walk(node):
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
            found |= set(re.findall(r"\w+", inner.value))
    return found


def aliases(trees: list[ast.Module]) -> set[str]:
    """The names that arrays go by: `Ints = NDArray[np.int64]` and the like."""
    return {
        target.id
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript) and words(node.value.value) & ARRAYS
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def is_public(name: str) -> bool:
    return not name.startswith("_")


def functions(body: list[ast.stmt]) -> Iterator[tuple[ast.FunctionDef, str]]:
    """Public functions and methods, each with the docstring that owes the shapes; a class owes those of `__init__`."""
    for node in body:
        if isinstance(node, ast.ClassDef) and is_public(node.name):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef) and inner.name == "__init__":
                    yield inner, ast.get_docstring(node) or ""
            yield from functions([inner for inner in node.body if not isinstance(inner, ast.ClassDef)])
        elif isinstance(node, ast.FunctionDef) and is_public(node.name):
            yield node, ast.get_docstring(node) or ""


def is_told(name: str, docstring: str) -> bool:
    """Whether a docstring has `name: … [dims]`; names may share one: `stream, end: int64 [B]`."""
    found = re.search(rf"(?:^|[\s(])(?:\w+, )*{name}(?:, \w+)*:\s(?:[^:.]|\.(?=\w))*?\[[^\]]+\]", docstring)
    return found is not None


def untold(tree: ast.Module, arrays: set[str], classes: set[str]) -> list[str]:
    """The array parameters of a file that have no shape, as `function(parameter)`.

    classes: what "As `X` says" may refer to, where the shapes are looked for then.
    """
    found = []
    for function, docstring in functions(tree.body):
        inherited = INHERITED.match(docstring)
        if inherited and inherited[1] in classes:
            continue
        arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        found += [
            f"{function.name}({argument.arg})"
            for argument in arguments
            if argument.annotation and words(argument.annotation) & arrays and not is_told(argument.arg, docstring)
        ]
    return found


def test_every_array_that_goes_into_a_public_function_has_its_shape_in_the_docstring() -> None:
    trees = {path: parse(path) for package in ("monitor", "trainer") for path in sources(package)}
    arrays = ARRAYS | aliases([*trees.values()])
    assert {"Ints", "Floats", "Floats32"} <= arrays
    classes = {node.name for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    assert {path: found for path, tree in trees.items() if (found := untold(tree, arrays, classes))} == {}


@pytest.mark.parametrize(
    "docstring",
    [
        "Score windows.",
        "Score windows [B, C, L].",
        "windows: what is scored. scores [B]",
        "Score.\n\n    windowses: float32 [B]",
        "windows: what is scored.\n    other: float32 [B]",
        "As `Nobody` says.",
    ],
)
def test_the_check_finds_an_array_without_a_shape(docstring: str) -> None:
    tree = ast.parse(f'def score(windows: "NDArray[np.float32] | None") -> None:\n    """{docstring}"""')
    assert untold(tree, ARRAYS, {"Scorer"}) == ["score(windows)"]


@pytest.mark.parametrize(
    "code",
    [
        'def score(windows: Tensor):\n    """windows: float32 [B, C, L]."""',
        'def score(error, windows: Tensor):\n    """Score. error, windows: of each,\n    float32 [B]."""',
        'def score(windows: Tensor):\n    """As `Scorer` says."""',
        'def score(model: Callable[[Tensor], Tensor]):\n    """Score by a function."""',
        "def _score(windows: Tensor):\n    pass",
        "class _Scorer:\n    def score(self, windows: Tensor):\n        pass",
        'class Scorer:\n    """windows: float32 [B]."""\n    def __init__(self, windows: Tensor):\n        pass',
    ],
)
def test_the_check_leaves_alone_what_is_told_inherited_or_private(code: str) -> None:
    assert untold(ast.parse(code), ARRAYS, {"Scorer"}) == []
