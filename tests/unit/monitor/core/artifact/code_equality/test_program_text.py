"""Programs are equal whatever their parts are called, and in nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.artifact.code_equality.program_text import program
from monitor.core.artifact.code_equality.unequal import UnequalError

MODEL = "__torch__.m.Model"
PLAIN = {
    "code/__torch__/m.py": b"""class Model(Module):
  a : __torch__.n.Layer
  def forward(self):
    _0 = __torch__.n.f
    return _0(self.a)
""",
    "code/__torch__/n.py": b"""class Layer(Module):
  w : Tensor
def f(x):
  _1 = torch.neg(x)
  return _1
""",
}
LATER = {
    "code/__torch__/m/___torch_mangle_7.py": PLAIN["code/__torch__/m.py"].replace(b"n.", b"n.___torch_mangle_3."),
    "code/__torch__/n/___torch_mangle_3.py": PLAIN["code/__torch__/n.py"].replace(b"_1", b"_0"),
}
CLASSES, LATER_CLASSES = (
    [MODEL, "__torch__.n.Layer"],
    ["__torch__.m.___torch_mangle_7.Model", "__torch__.n.___torch_mangle_3.Layer"],
)


def test_what_was_compiled_before_makes_no_difference() -> None:
    assert program(PLAIN, CLASSES) == program(LATER, LATER_CLASSES)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"torch.neg", b"torch.abs"),
        (b"  return _0\n", b"  return x\n"),
        (b"w : Tensor", b"w : Optional[Tensor]"),
        (b"def f(x)", b"def g(x)"),
        (b"return _0\n", b"return _0\ndef more(x):\n  return x\n"),
    ],
)
def test_any_other_change_makes_another_program(old: bytes, new: bytes) -> None:
    changed = {path: content.replace(old, new) for path, content in LATER.items()}
    assert changed != LATER
    assert program(PLAIN, CLASSES) != program(changed, LATER_CLASSES)


def test_two_classes_that_change_places_make_another_program() -> None:
    def two(first: bytes, second: bytes) -> dict[str, bytes]:
        model = b"class Model(Module):\n  a : __torch__.n.Layer\n  b : __torch__.n.___torch_mangle_1.Layer\n"
        return {
            "code/__torch__/m.py": model,
            "code/__torch__/n.py": b"class Layer(Module):\n" + first,
            "code/__torch__/n/___torch_mangle_1.py": b"class Layer(Module):\n" + second,
        }

    classes = [MODEL, "__torch__.n.Layer", "__torch__.n.___torch_mangle_1.Layer"]
    assert program(two(b"  x : int\n", b"  y : int\n"), classes) != program(
        two(b"  y : int\n", b"  x : int\n"), classes
    )


def test_a_part_that_stands_there_twice_is_refused() -> None:
    with pytest.raises(UnequalError, match="has f twice"):
        program({"code/__torch__/n.py": b"def f(x):\n  return x\n" * 2}, [])


@given(path=st.text(max_size=20), content=st.binary(max_size=60))
def test_any_bytes_are_a_program_or_refused(path: str, content: bytes) -> None:
    try:
        found = program({path: content}, [])
    except UnequalError:
        return
    assert "".join(found.values()).count("\n") == content.decode().count("\n")
