"""What counts as a broker that works, and how it stands in the page."""

import dataclasses

import pytest

from benchmarks.brokers.brokers import _HEAD, _line
from benchmarks.brokers.trial import Outcome, Settings

GOOD = Outcome(ready=True, steps_expected=21, ready_at_the_end=True)


def test_a_broker_works_where_nothing_is_lost_and_the_daemon_stays_ready() -> None:
    assert GOOD.works
    assert dataclasses.replace(GOOD, steps_twice=1).works  # which QoS 1 may do


@pytest.mark.parametrize(
    "fault", [{"ready": False}, {"windows_lost": 1}, {"steps_missing": 1}, {"ready_at_the_end": False}]
)
def test_a_broker_does_not_work_where_anything_is_lost_or_the_daemon_is_not_ready(fault: dict[str, int | bool]) -> None:
    assert not dataclasses.replace(GOOD, **fault).works  # type: ignore[arg-type]


@pytest.mark.parametrize("outcome", [GOOD, Outcome(ready=False, told=("no | broker",))])
def test_a_row_of_the_page_has_the_columns_of_its_head(outcome: Outcome) -> None:
    row = _line(("NATS 2", Settings("5", 2), outcome))
    assert row.count("|") == _HEAD.splitlines()[0].count("|")
