"""Slots hold about as many bytes for fast streams as for slow ones, within bounds, and the budget is a rate."""

from monitor.core.history.layout import Layout
from monitor.core.history.slots import Slots
from monitor.core.history.write_budget import WriteBudget


def layout_of(channels: int, period_seconds: float, length: int = 60) -> Layout:
    return Layout("m", "1", tuple(f"c{number}" for number in range(channels)), period_seconds, length, "")


def test_slots_of_fast_streams_are_short_and_those_of_slow_ones_bounded() -> None:
    fast = Slots.of(layout_of(3, 0.001, 256), 128)
    assert abs(fast.seconds * fast.bytes_per_second - 16384) < 1
    assert Slots.of(layout_of(4, 1.0), 30).seconds == 600.0
    assert Slots.of(layout_of(4, 60.0), 30).seconds == 8 * 30 * 60.0  # at least eight windows
    assert fast.margin_seconds == (16 * 128 + 256) * 0.001


def test_a_budget_may_be_spent_at_once_and_comes_back_with_time() -> None:
    budget = WriteBudget(100.0, 0.0)
    budget.spend(60_000)
    assert budget.left == 0
    budget.refill(10.0)
    assert budget.left == 1000
    budget.refill(10_000.0)
    assert budget.left == 60_000
