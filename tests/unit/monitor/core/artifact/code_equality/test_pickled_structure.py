"""A pickle is read as a list of operations; what it would do is not done."""

import pickle
from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.artifact.code_equality.pickled_structure import Storage, classes, operations, storages
from monitor.core.artifact.code_equality.unequal import UnequalError


def storage(kind: bytes, key: bytes) -> bytes:
    """How torch names a storage: a tuple of five behind a persistent id."""
    return (
        b"(X\7\0\0\0storageq\1ctorch\n%bStorage\nq\2" % kind
        + b"X%b%bq\3X\3\0\0\0cpuq\4K\x05tq\5Q" % (len(key).to_bytes(4, "little"), key)
        + b"0"
    )


def test_storages_are_told_by_their_key_and_whether_they_hold_floats() -> None:
    content = b"\x80\2" + storage(b"Float", b"0") + storage(b"Long", b"1") + b"N."
    assert storages(list(operations(content))) == [Storage("0", True), Storage("1", False)]


def test_classes_come_in_the_order_of_their_use_each_once() -> None:
    content = b"\x80\2c__torch__.m\nModel\nc__torch__.n\nLayer\nc__torch__.m\nModel\nccollections\nOrderedDict\n00."
    assert classes(list(operations(content))) == ["__torch__.m.Model", "__torch__.n.Layer"]


def test_a_storage_that_is_named_otherwise_is_refused() -> None:
    with pytest.raises(UnequalError, match="in a way that torch does not"):
        storages(list(operations(b"\x80\2NQ.")))


class Trap:
    def __reduce__(self) -> tuple[object, ...]:
        return (pytest.fail, ("a pickle was run",))


def test_nothing_in_a_pickle_is_run() -> None:
    assert list(operations(pickle.dumps([Trap(), OrderedDict()], 2)))[-1].name == "STOP"


@given(content=st.binary(max_size=100))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    try:
        storages(list(operations(content)))
    except UnequalError:
        return


def test_a_pickle_without_end_is_refused_unread() -> None:
    with pytest.raises(UnequalError, match="more than"):
        next(operations(b"N" * (2**24 + 1)))
