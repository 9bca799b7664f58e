"""The code in an archive, so that two programs that differ in the names of their parts alone are equal.

TorchScript calls a second class or function of the same name `___torch_mangle_N.NAME`, with an N that counts what the
process compiled before, and counts the unnamed values `_N` of all that stands in one file. A refit that ran behind
others has other names, in other files, than its parent.
"""

import re
from collections.abc import Iterator, Mapping

from monitor.core.artifact.code_equality.unequal import UnequalError

_NAME = re.compile(r"__torch__(?:\.\w+)+")
_MANGLE = re.compile(r"\.___torch_mangle_\d+")
_VALUE = re.compile(r"(?<![\w.])_\d+\b")
_BLOCK = re.compile(r"^(?:class|def) (\w+)", re.MULTILINE)


def program(files: Mapping[str, bytes], classes: list[str]) -> dict[str, str]:
    """Take code apart into its classes and functions.

    files: the code by its path, `code/__torch__/….py`. classes: in the order in which the module has them.

    Returns each part's text by its name. Names are the plain ones with a number: that of the part's first use, which
    does not depend on what was compiled before. Unnamed values are counted anew in each part.

    Raises:
        UnequalError: it is no code as TorchScript writes it, or two parts have one name.

    """
    parts: dict[str, str] = {}
    for path, content in files.items():
        module = path.removeprefix("code/").removesuffix(".py").replace("/", ".")
        for name, text in _blocks(path, content):
            if f"{module}.{name}" in parts:
                raise UnequalError(f"{path} has {name} twice")
            parts[f"{module}.{name}"] = text
    names = {name: f"{_MANGLE.sub('', name)}#{number}" for number, name in enumerate(_by_use(parts, classes))}

    def renamed(match: re.Match[str]) -> str:
        return names.get(match.group(), match.group())

    return {names[name]: _NAME.sub(renamed, _counted_anew(text)) for name, text in parts.items()}


def _by_use(parts: Mapping[str, str], classes: list[str]) -> list[str]:
    """Order the names: the module's classes, what their code uses first, and at last what nothing uses."""
    order = dict.fromkeys(classes)
    waiting = list(order)
    for name in waiting:
        for used in _NAME.findall(parts.get(name, "")):
            if used in parts and used not in order:
                order[used] = None
                waiting.append(used)
    return list(order | dict.fromkeys(sorted(parts)))


def _counted_anew(text: str) -> str:
    names: dict[str, str] = {}
    return _VALUE.sub(lambda match: names.setdefault(match.group(), f"_{len(names)}"), text)


def _blocks(path: str, content: bytes) -> Iterator[tuple[str, str]]:
    """Give the names of a file's classes and functions, each with its text."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise UnequalError(f"{path} is no text") from None
    found = list(_BLOCK.finditer(text))
    # what stands above the first class or function would belong to none
    if not found or found[0].start() != 0:
        raise UnequalError(f"{path} does not begin with a class or a function")
    ends = [match.start() for match in found[1:]]
    for match, end in zip(found, [*ends, len(text)], strict=True):
        yield match[1], text[match.start() : end]
