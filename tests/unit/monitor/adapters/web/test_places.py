"""Places: the slow make way, no address takes all, and this machine is never kept out."""

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.adapters.web.places import ANSWER_SECONDS, HEADER_SECONDS, Places, site_of

LOCAL, NEAR = "127.0.0.1", "10.0.0.1"


def strangers(number: int) -> str:
    return f"10.0.{number // 250}.{number % 250 + 1}"


def test_the_slowest_without_headers_makes_way_for_a_newcomer() -> None:
    places = Places(total=3, reserved=0, per_address=3)
    assert [places.enter(client, NEAR, now) for now, client in enumerate("abc")] == [(True, None)] * 3
    assert places.enter("d", NEAR, 3) == (True, "a")
    assert places.enter("e", NEAR, 4) == (True, "b")


def test_whoever_is_being_answered_makes_way_only_after_a_while() -> None:
    places = Places(total=2, reserved=0, per_address=2)
    for client in "ab":
        places.enter(client, NEAR, 0)
        places.answering(client, 0)
    assert places.enter("c", NEAR, 1) == (False, None)
    assert places.enter("c", NEAR, 3) == (True, "a")


def test_an_address_that_has_its_places_frees_one_of_its_own() -> None:
    places = Places(total=32, reserved=8, per_address=2)
    places.enter("other", strangers(9), 0)
    places.enter("a", NEAR, 1)
    places.enter("b", NEAR, 2)
    assert places.enter("c", NEAR, 3) == (True, "a")


def test_others_are_refused_while_this_machine_has_every_place() -> None:
    places = Places(total=2, reserved=1)
    for client in "ab":
        assert places.enter(client, LOCAL, 0) == (True, None)
    assert places.enter("c", NEAR, 9) == (False, None)
    assert places.enter("c", LOCAL, 9) == (True, "a")


@given(crowd=st.integers(0, 200), answering=st.booleans())
def test_this_machine_is_let_in_however_many_others_there_are(crowd: int, answering: bool) -> None:
    places = Places()
    for number in range(crowd):
        admitted, _ = places.enter(number, strangers(number), 0)
        if admitted and answering:
            places.answering(number, 0)
    for number in range(8):
        assert places.enter(f"probe-{number}", LOCAL, 0) == (True, None)
        places.answering(f"probe-{number}", 0)


def test_those_who_were_told_to_leave_and_did_not_are_bounded_too() -> None:
    places = Places(total=3, reserved=0, per_address=9)
    admitted = [client for client in range(20) if places.enter(client, NEAR, client)[0]]
    assert admitted == [0, 1, 2, 3, 4, 5]
    places.leave(0)
    assert places.enter(20, NEAR, 20) == (True, 3)


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans(), st.booleans()), max_size=300))
def test_clients_are_bounded_whatever_comes(steps: list[tuple[int, bool, bool]]) -> None:
    places, inside, numbers = Places(total=6, reserved=2, per_address=3), set[int](), count()
    for now, (address, answers, leaves) in enumerate(steps):
        client = next(numbers)
        admitted, evicted = places.enter(client, LOCAL if address == 0 else strangers(address), now)
        inside |= {client} if admitted else set()
        assert evicted is None or evicted in inside
        if admitted and answers:
            places.answering(client, now)
        if leaves and inside:
            gone = min(inside)
            places.leave(gone)
            inside.discard(gone)
        assert len(inside) <= 2 * 6  # those who were told to leave have a thread until they notice


def test_headers_and_answers_have_their_time() -> None:
    places = Places()
    places.enter("slow", NEAR, 0)
    places.enter("quick", NEAR, 0)
    places.answering("quick", 1)
    assert places.overdue(HEADER_SECONDS) == []
    assert places.overdue(HEADER_SECONDS + 0.1) == ["slow"]
    places.leave("slow")
    assert places.overdue(1 + ANSWER_SECONDS) == []
    assert places.overdue(1.1 + ANSWER_SECONDS) == ["quick"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("127.0.0.1", "127.8.8.8"),
        ("127.0.0.1", "::1"),
        ("::ffff:127.0.0.1", "::1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8::1", "2001:db8::ffff:2"),
        ("fe80::1%eth0", "fe80::2"),
    ],
)
def test_addresses_of_one_site_count_as_one(one: str, other: str) -> None:
    assert site_of(one) == site_of(other)


def test_other_addresses_do_not() -> None:
    assert len({site_of(each) for each in ("10.0.0.1", "10.0.0.2", "2001:db8::1", "2001:db8:0:1::1", "::1", "x")}) == 6
