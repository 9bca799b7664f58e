"""Shares: whoever takes up most gives first, and nobody gives who takes up little."""

from hypothesis import given
from hypothesis import strategies as st

from monitor.core.history.shares import Shares, StreamKey, givers

SIZES = st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers(1, 10_000), min_size=1, max_size=12)


@given(SIZES, st.integers(1, 50_000))
def test_what_is_taken_is_enough_and_leaves_the_givers_on_one_level(sizes: dict[str, int], excess: int) -> None:
    given_up = dict(givers(sizes, excess))
    left = {key: size - given_up.get(key, 0) for key, size in sizes.items()}
    total = sum(sizes.values())
    assert sum(given_up.values()) >= min(excess, total)
    assert sum(given_up.values()) <= min(excess, total) + len(sizes)
    assert min(left.values()) >= 0
    if given_up:
        level = max(left[key] for key in given_up)
        assert all(left[key] >= level - 1 for key in given_up)
        assert all(left[key] <= level + 1 for key in sizes)


def test_a_stream_without_anything_is_forgotten_and_a_bar_only_rises() -> None:
    shares, key = Shares(), StreamKey("motor", "m1")
    shares.add(key, "a", 100)
    shares.add(key, "a", 50, exempt=True)
    shares.raise_bar(key, "a", 0.4)
    shares.raise_bar(key, "a", 0.2)
    assert shares.bar(key, "a") == 0.4
    assert shares.bar(key, "b") == 0.0
    assert shares.has(key)
    shares.add(key, "a", -100, stretches=-1)
    shares.add(key, "a", -50, exempt=True, stretches=-1)
    assert not shares.has(key)
    assert not shares.strata(key)
    assert shares.stretches == 0
