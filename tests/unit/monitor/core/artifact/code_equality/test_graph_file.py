"""Which bytes of an ONNX model are numbers that a refit may change; the model is written byte by byte here."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.artifact.code_equality.graph_file import GraphFile
from monitor.core.artifact.code_equality.unequal import UnequalError

FLOAT, INT64 = 1, 7


def field(number: int, content: bytes) -> bytes:
    assert len(content) < 128
    return bytes([number << 3 | 2, len(content)]) + content


def tensor(name: bytes, kind: int, raw: bytes) -> bytes:
    return field(5, bytes([8, 2, 16, kind]) + field(8, name) + field(9, raw))


def model(
    weights: bytes, shape: bytes = b"\2\0\0\0", scales: bytes = b"\0\0\0\x40", operator: bytes = b"Conv"
) -> bytes:
    nodes = field(1, field(1, b"weights") + field(4, operator)) + field(1, field(1, b"scales") + field(4, b"Resize"))
    tensors = tensor(b"weights", FLOAT, weights) + tensor(b"shape", INT64, shape) + tensor(b"scales", FLOAT, scales)
    described = field(14, field(1, b"manifest.json") + field(2, b"{}"))
    return b"\x08\x0a" + field(7, nodes + tensors) + described


def test_a_refit_brings_its_floating_point_numbers() -> None:
    parent, refit = model(b"1111"), model(b"2222")
    assert GraphFile.read(parent).with_numbers_of(GraphFile.read(refit)) == refit


@pytest.mark.parametrize(
    "refit",
    [
        model(b"2222", shape=b"\3\0\0\0"),
        model(b"2222", scales=b"\0\0\x80\x40"),
        model(b"2222", operator=b"Gemm"),
        model(b"22222222"),
    ],
    ids=["whole numbers", "how much larger a result is", "operator", "size"],
)
def test_everything_else_stays_that_of_the_parent(refit: bytes) -> None:
    with pytest.raises(UnequalError, match="its graph is another"):
        GraphFile.read(model(b"1111")).with_numbers_of(GraphFile.read(refit))


@given(cut=st.integers(0, len(model(b"1111")) - 1))
def test_a_model_that_is_cut_off_is_refused(cut: int) -> None:
    parent = GraphFile.read(model(b"1111"))
    try:
        refit = GraphFile.read(model(b"1111")[:cut])
        parent.with_numbers_of(refit)
    except UnequalError:
        return
    assert not refit.described  # the graph may be whole, the description is not


@given(data=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        found = GraphFile.read(data)
    except UnequalError:
        return
    assert len(found.graph) + len(found.description) == len(data)


@given(where=st.integers(0, len(model(b"1111")) - 1), byte=st.integers(0, 255))
def test_a_changed_byte_changes_numbers_or_description_or_is_refused(where: int, byte: int) -> None:
    parent, changed = model(b"1111"), bytearray(model(b"1111"))
    changed[where] = byte
    try:
        together = GraphFile.read(parent).with_numbers_of(GraphFile.read(bytes(changed)))
    except UnequalError:
        return
    assert GraphFile.read(together).without_numbers() == GraphFile.read(parent).without_numbers()
