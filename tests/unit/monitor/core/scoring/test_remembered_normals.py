"""What is remembered of streams is bounded, and comes back as it was."""

import numpy as np
import pytest

from monitor.core.scoring.remembered_normals import LearntNormals, RememberedNormals
from monitor.core.values.snapshots import StateError, decode_state, encode_state

SHAPE = (2, 3)


def learnt(number: int, *, unlike: bool = False) -> LearntNormals:
    return LearntNormals(np.full(SHAPE, number, np.float32), np.full(2, number + 0.5, np.float32), unlike)


def test_what_is_put_can_be_taken_once() -> None:
    memory = RememberedNormals()
    memory.put("a", learnt(1))
    taken = memory.take("a")
    assert taken is not None
    assert (taken.centre == 1).all()
    assert (memory.take("a"), "a" in memory, len(memory)) == (None, False, 0)


@pytest.mark.parametrize("bounds", [(3, 10**6), (10**6, 3 * learnt(0).nbytes)], ids=["names", "bytes"])
def test_the_oldest_make_room_and_are_counted(bounds: tuple[int, int]) -> None:
    memory = RememberedNormals(*bounds)
    for number in range(5):
        memory.put(str(number), learnt(number))
    memory.put("2", learnt(7))  # once more, and now the newest
    memory.put("5", learnt(5))
    assert [name for name, _ in memory.items()] == ["4", "2", "5"]
    assert memory.dropped == 3


def test_a_snapshot_gives_the_same_names_in_the_same_order() -> None:
    memory, after = RememberedNormals(), RememberedNormals()
    memory.dropped = 4
    memory.put("b", learnt(1, unlike=True))
    memory.put("a", learnt(2))
    after.restore(decode_state(encode_state(memory.snapshot(SHAPE))), SHAPE)
    assert encode_state(after.snapshot(SHAPE)) == encode_state(memory.snapshot(SHAPE))
    assert ([name for name, _ in after.items()], after.dropped) == (["b", "a"], 4)


def test_a_snapshot_of_other_shapes_is_no_state() -> None:
    memory = RememberedNormals()
    memory.put("b", learnt(1))
    with pytest.raises(StateError, match="centre"):
        RememberedNormals().restore(memory.snapshot(SHAPE), (2, 1))
