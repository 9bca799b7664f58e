"""Just enough PromQL to say which series an expression asks for, and by which labels."""

import re
from collections.abc import Iterator

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_SELECTOR = re.compile(r"([A-Za-z_:][A-Za-z0-9_:]*)\s*(?:\{([^}]*)\})?")
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
_RANGE = re.compile(r"\[[^\]]*\]")
_OFFSET = re.compile(r"\boffset\s+\w+")
_FUNCTION = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\s*\(")
_NOT_METRICS = {"and", "or", "unless", "bool", "inf", "nan", "by", "without", "on", "ignoring", "atan2"}


def selectors(expression: str) -> Iterator[tuple[str, frozenset[str]]]:
    """Each selector: metric name, and the labels it matches on."""
    text = _STRING.sub('""', expression)
    text = _RANGE.sub("", text)
    text = _OFFSET.sub("", text)
    text = _GROUPING.sub("", text)
    # aggregations may put their grouping behind the name: `sum by (x) (...)` is a call by now
    text = re.sub(r"@\s*(?:end|start)\s*\(\)", "", text)
    text = _FUNCTION.sub("(", text)
    for name, matchers in _SELECTOR.findall(text):
        if name not in _NOT_METRICS:
            yield name, frozenset(re.findall(r"([A-Za-z_][A-Za-z0-9_]*)\s*(?:=~|!~|!=|=)", matchers))
