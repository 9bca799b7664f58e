"""How a module is put together: the pickle in its archive, read as a list of operations and never run.

TorchScript writes into `data.pkl` which class each submodule is of, its attributes, and of each tensor its shape and in
which storage its numbers stand. The numbers themselves are members of their own, so two modules of the same make have
the same operations, whatever they learnt.
"""

import pickletools
from collections.abc import Iterator
from typing import Any, NamedTuple

from monitor.core.artifact.code_equality.unequal import UnequalError

_MOST_BYTES = 16 * 1024 * 1024  # the largest family's is 30 kB
_FLOATS = {f"torch {kind}Storage" for kind in ("Half", "BFloat16", "Float", "Double")}
_NAMES = ("GLOBAL", "SHORT_BINUNICODE", "BINUNICODE")
_WHOLE_NUMBERS = ("BININT", "BININT1", "BININT2", "LONG1")
_PUTS = ("BINPUT", "LONG_BINPUT")
_GETS = ("BINGET", "LONG_BINGET")


class Operation(NamedTuple):
    """One operation of a pickle: its name, and what stands behind it."""

    name: str
    argument: Any


class Storage(NamedTuple):
    """Where a tensor's numbers stand: in member `data/<key>`, as floats or as something else."""

    key: str
    floats: bool


def operations(pickle: bytes) -> Iterator[Operation]:
    """Read a pickle's operations one by one, without carrying them out.

    Raises:
        UnequalError: it is too large, or no pickle.

    """
    if len(pickle) > _MOST_BYTES:
        raise UnequalError(f"data.pkl is of {len(pickle)} bytes, more than {_MOST_BYTES}")
    try:
        for opcode, argument, _ in pickletools.genops(pickle):
            yield Operation(opcode.name, argument)
    except (ValueError, KeyError, OverflowError) as error:
        raise UnequalError(f"data.pkl is no pickle: {error}") from None


def classes(found: list[Operation]) -> list[str]:
    """Name the classes of the module and its submodules, each once, in the order in which they come."""
    names = (argument.replace(" ", ".") for name, argument in found if name == "GLOBAL")
    return list(dict.fromkeys(name for name in names if name.startswith("__torch__.")))


def storages(found: list[Operation]) -> list[Storage]:
    """Tell in which members the tensors' numbers stand.

    Raises:
        UnequalError: a tensor is written in another way than torch writes it.

    """
    pushed: list[Any] = []  # names and numbers as they come onto the stack: five of them, in a row, name a storage
    memo: dict[int, Any] = {}
    there: dict[str, Storage] = {}
    for name, argument in found:
        if name in _NAMES or name in _WHOLE_NUMBERS:
            pushed.append(argument)
        elif name in _PUTS and pushed:
            memo[argument] = pushed[-1]
        elif name in _GETS:
            pushed.append(memo.get(argument))
        elif name == "BINPERSID":
            if len(pushed) < 5 or pushed[-5] != "storage" or not isinstance(pushed[-3], str):
                raise UnequalError("data.pkl names a storage in a way that torch does not")
            there[pushed[-3]] = Storage(pushed[-3], pushed[-4] in _FLOATS)
    return list(there.values())
