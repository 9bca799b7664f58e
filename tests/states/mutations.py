"""States that something happened to, for hypothesis."""

import copy
from typing import Any

import numpy as np
from hypothesis import strategies as st

from monitor.core.values.snapshots import State

JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([2**31, 2**53 + 1, 2**63 - 1, -(2**63), 2**64 - 1]),
    st.floats(),
    st.text(max_size=3),
    st.just([]),
    st.just({}),
    st.just([[]]),
    st.lists(st.integers(-(2**63), 2**64 - 1), max_size=2),
    st.dictionaries(st.text(max_size=2), st.integers(-9, 9), max_size=2),
    st.sampled_from(["<f8", "<i8", "|i1", "<u8", "<f4", "|b1"]).map(lambda kind: np.zeros(3, kind)),
    st.sampled_from([(0,), (2, 0, 3), (1, 1), ()]).map(np.ones),
)


def mutate(data: st.DataObject, whole: State) -> None:
    """Change one thing, anywhere: renamed, left out, cut, of another type or rank, or something else altogether."""
    node: Any = whole
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            return
        key = data.draw(st.sampled_from(keys))
        if not isinstance(node[key], dict | list) or not data.draw(st.integers(0, 9)):
            break
        node = node[key]
    way, value = data.draw(st.sampled_from(["replace", "leave out", "rename", "double"])), node[key]
    if way in {"leave out", "rename"}:
        del node[key]
        if way == "rename" and isinstance(node, dict):
            node[f"_{key}"] = value
    elif way == "double" and isinstance(node, list):
        node.append(copy.deepcopy(value))
    else:
        junk = data.draw(changed_array(value) | JUNK if isinstance(value, np.ndarray) else JUNK)
        node[key] = copy.deepcopy(junk)  # it may be changed next


def changed_array(array: np.ndarray) -> st.SearchStrategy[np.ndarray]:
    """Cut, of another type or rank, or with another number in it."""
    types = ["<f8", "<i4", "|i1", "<u8", "|b1"]
    with np.errstate(invalid="ignore"):
        others = [np.atleast_1d(array)[:-1], array[None], array.reshape(-1), *(array.astype(dtype) for dtype in types)]
        others += [np.full(array.shape, number).astype(array.dtype) for number in (-1, 2, 99, 127, 2**40)]
    return st.sampled_from(others)
