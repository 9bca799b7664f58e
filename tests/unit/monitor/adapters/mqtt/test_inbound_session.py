"""Delivery promises: answered once it is safe, never taken in twice, never confirmed by mistake."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.adapters.mqtt.inbound_session import InboundSession, Receipt, merge_resumes, resume_of

PUBACK_5 = b"\x40\x02\x00\x05"
PUBREC_5 = b"\x50\x02\x00\x05"
PUBCOMP_5 = b"\x70\x02\x00\x05"


@pytest.mark.parametrize(("qos", "reply"), [(1, PUBACK_5), (2, PUBREC_5)])
def test_a_message_is_answered_when_it_is_acknowledged_and_not_before(qos: int, reply: bytes) -> None:
    session = InboundSession()
    receipt = session.arrived(5, qos, duplicate=False)
    assert receipt is not None
    assert session.take_replies() == b""
    session.acknowledge(receipt)
    assert session.take_replies() == reply


def test_acknowledging_twice_answers_once() -> None:
    session = InboundSession()
    receipt = session.arrived(5, 1, duplicate=False)
    assert receipt is not None
    session.acknowledge(receipt)
    session.acknowledge(receipt)
    assert session.take_replies() == PUBACK_5


def test_answers_keep_the_order_of_the_acknowledgements() -> None:
    session = InboundSession()
    given = [session.arrived(number, 1, duplicate=False) for number in (7, 3, 9)]
    for receipt in given:
        assert receipt is not None
        session.acknowledge(receipt)
    assert session.take_replies()[3::4] == bytes([7, 3, 9])


@pytest.mark.parametrize("qos", [1, 2])
def test_what_is_in_hand_is_not_taken_in_again_and_its_receipt_outlives_the_connection(qos: int) -> None:
    session = InboundSession()
    receipt = session.arrived(5, qos, duplicate=False)
    assert receipt is not None
    session.resume(session_present=True)
    assert session.arrived(5, qos, duplicate=True) is None
    session.acknowledge(receipt)
    assert session.take_replies() in {PUBACK_5, PUBREC_5}


def test_qos_2_that_was_answered_is_answered_again_and_not_taken_in_again() -> None:
    session = InboundSession()
    receipt = session.arrived(5, 2, duplicate=False)
    assert receipt is not None
    session.acknowledge(receipt)
    session.resume(session_present=True)  # before the answer left
    assert session.arrived(5, 2, duplicate=True) is None
    assert session.take_replies() == PUBREC_5
    session.released(5)
    assert session.take_replies() == PUBCOMP_5
    assert session.arrived(5, 2, duplicate=False) is not None  # the identifier is free again


def test_a_release_that_a_former_process_would_have_known_is_answered() -> None:
    session = InboundSession()
    session.released(5)
    assert session.take_replies() == PUBCOMP_5


def test_a_receipt_of_a_forgotten_session_confirms_nothing() -> None:
    session = InboundSession()
    session.resume(session_present=False)
    old = session.arrived(5, 1, duplicate=False)
    session.resume(session_present=False)
    new = session.arrived(5, 1, duplicate=False)
    assert old is not None
    assert new is not None
    session.acknowledge(old)
    assert session.take_replies() == b""
    session.acknowledge(new)
    assert session.take_replies() == PUBACK_5


def test_replies_that_did_not_leave_are_not_sent_on_the_next_connection() -> None:
    session = InboundSession()
    receipt = session.arrived(5, 1, duplicate=False, content=7)
    assert receipt is not None
    session.acknowledge(receipt)
    session.resume(session_present=True)
    assert session.take_replies() == b""


@pytest.mark.parametrize(("qos", "reply"), [(1, PUBACK_5), (2, PUBREC_5)])
def test_what_comes_again_because_the_answer_was_lost_is_answered_again_and_not_taken_in_again(
    qos: int, reply: bytes
) -> None:
    session = InboundSession()
    receipt = session.arrived(5, qos, duplicate=False, content=7)
    assert receipt is not None
    session.acknowledge(receipt)
    session.resume(session_present=True)
    assert session.arrived(5, qos, duplicate=True, content=7) is None
    assert session.take_replies() == reply


def test_what_a_former_process_made_safe_is_answered_again_and_not_taken_in_again() -> None:
    session = InboundSession()
    session.remember(resume_of([(1 << 16 | 5, 1, 7)]))
    session.resume(session_present=True)
    assert session.arrived(5, 1, duplicate=True, content=7) is None
    assert session.take_replies() == PUBACK_5


@pytest.mark.parametrize(("duplicate", "content"), [(False, 7), (True, 8)], ids=["not marked", "other content"])
def test_only_the_same_message_that_is_marked_as_duplicate_counts_as_one(duplicate: bool, content: int) -> None:
    session = InboundSession()
    session.remember(resume_of([(1 << 16 | 5, 1, 7)]))
    assert session.arrived(5, 1, duplicate=duplicate, content=content) is not None


def test_a_new_session_knows_nothing_of_the_identifiers_of_the_old_one() -> None:
    session = InboundSession()
    session.remember(resume_of([(1 << 16 | 5, 1, 7)]))
    session.resume(session_present=False)
    assert session.arrived(5, 1, duplicate=True, content=7) is not None


def test_a_broker_that_goes_back_to_publish_after_it_released_is_answered_and_nothing_is_taken_in_twice() -> None:
    session = InboundSession()
    receipt = session.arrived(7, 2, duplicate=False, content=99)
    assert receipt is not None
    session.acknowledge(receipt)
    session.released(7)
    session.resume(session_present=True)
    assert session.arrived(7, 2, duplicate=True, content=99) is None
    assert session.take_replies() == bytes((0x50, 2, 0, 7))


@given(st.lists(st.lists(st.tuples(st.integers(0, 0xFFFFFFFF), st.sampled_from([1, 2]), st.integers(0, 0xFFFFFFFF)))))
def test_merged_resumes_tell_of_each_packet_identifier_what_it_carried_last(steps: list[list[Receipt]]) -> None:
    resumes = [resume_of(receipts) for receipts in steps]
    merged = merge_resumes([*resumes, b""])
    assert merge_resumes([merge_resumes([*resumes[:2], b""]), *resumes[2:]]) == merged
    session = InboundSession()
    session.resume(session_present=True)
    session.remember(merged)
    last = {number & 0xFFFF: content for receipts in steps for number, _, content in receipts}
    assert len(merged) == 6 * len(last)
    for packet_id, content in last.items():
        assert session.arrived(packet_id, 1, duplicate=True, content=content) is None


def test_a_resume_that_was_cut_off_tells_what_is_whole() -> None:
    session = InboundSession()
    session.resume(session_present=True)
    session.remember(resume_of([(5, 1, 7), (6, 1, 8)])[:-1])
    assert session.arrived(5, 1, duplicate=True, content=7) is None
    assert session.arrived(6, 1, duplicate=True, content=8) is not None
