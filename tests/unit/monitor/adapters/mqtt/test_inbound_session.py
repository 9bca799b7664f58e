"""Delivery promises: answered once it is safe, never taken in twice, never confirmed by mistake."""

import pytest

from monitor.adapters.mqtt.inbound_session import InboundSession, contents_of, resume_of

PUBACK_5 = b"\x40\x02\x00\x05"
PUBREC_5 = b"\x50\x02\x00\x05"
PUBCOMP_5 = b"\x70\x02\x00\x05"


@pytest.mark.parametrize(("qos", "reply"), [(1, PUBACK_5), (2, PUBREC_5)])
def test_a_message_is_answered_when_it_is_acknowledged_and_not_before(qos: int, reply: bytes) -> None:
    receipts = InboundSession()
    receipt = receipts.arrived(5, qos, duplicate=False)
    assert receipt is not None
    assert receipts.take_replies() == b""
    assert receipts.in_hand == 1
    receipts.acknowledge(receipt)
    assert receipts.take_replies() == reply
    assert receipts.in_hand == 0


def test_acknowledging_twice_answers_once() -> None:
    receipts = InboundSession()
    receipt = receipts.arrived(5, 1, duplicate=False)
    assert receipt is not None
    receipts.acknowledge(receipt)
    receipts.acknowledge(receipt)
    assert receipts.take_replies() == PUBACK_5


def test_answers_keep_the_order_of_the_acknowledgements() -> None:
    receipts = InboundSession()
    given = [receipts.arrived(number, 1, duplicate=False) for number in (7, 3, 9)]
    for receipt in given:
        assert receipt is not None
        receipts.acknowledge(receipt)
    assert receipts.take_replies()[3::4] == bytes([7, 3, 9])


@pytest.mark.parametrize("qos", [1, 2])
def test_what_is_in_hand_is_not_taken_in_again_and_its_receipt_outlives_the_connection(qos: int) -> None:
    receipts = InboundSession()
    receipt = receipts.arrived(5, qos, duplicate=False)
    assert receipt is not None
    receipts.resume(session_present=True)
    assert receipts.arrived(5, qos, duplicate=True) is None
    receipts.acknowledge(receipt)
    assert receipts.take_replies() in {PUBACK_5, PUBREC_5}


def test_qos_2_that_was_answered_is_answered_again_and_not_taken_in_again() -> None:
    receipts = InboundSession()
    receipt = receipts.arrived(5, 2, duplicate=False)
    assert receipt is not None
    receipts.acknowledge(receipt)
    receipts.resume(session_present=True)  # before the answer left
    assert receipts.arrived(5, 2, duplicate=True) is None
    assert receipts.take_replies() == PUBREC_5
    receipts.released(5)
    assert receipts.take_replies() == PUBCOMP_5
    assert receipts.arrived(5, 2, duplicate=False) is not None  # the identifier is free again


def test_a_release_that_a_former_process_would_have_known_is_answered() -> None:
    receipts = InboundSession()
    receipts.released(5)
    assert receipts.take_replies() == PUBCOMP_5


def test_a_receipt_of_a_forgotten_session_confirms_nothing() -> None:
    receipts = InboundSession()
    receipts.resume(session_present=False)
    old = receipts.arrived(5, 1, duplicate=False)
    receipts.resume(session_present=False)
    new = receipts.arrived(5, 1, duplicate=False)
    assert old is not None
    assert new is not None
    receipts.acknowledge(old)
    assert receipts.take_replies() == b""
    receipts.acknowledge(new)
    assert receipts.take_replies() == PUBACK_5


def test_replies_that_did_not_leave_are_not_sent_on_the_next_connection() -> None:
    receipts = InboundSession()
    receipt = receipts.arrived(5, 1, duplicate=False, content=7)
    assert receipt is not None
    receipts.acknowledge(receipt)
    receipts.resume(session_present=True)
    assert receipts.take_replies() == b""


@pytest.mark.parametrize(("qos", "reply"), [(1, PUBACK_5), (2, PUBREC_5)])
def test_what_comes_again_because_the_answer_was_lost_is_answered_again_and_not_taken_in_again(
    qos: int, reply: bytes
) -> None:
    receipts = InboundSession()
    receipt = receipts.arrived(5, qos, duplicate=False, content=7)
    assert receipt is not None
    receipts.acknowledge(receipt)
    receipts.resume(session_present=True)
    assert receipts.arrived(5, qos, duplicate=True, content=7) is None
    assert receipts.take_replies() == reply


def test_what_a_former_process_made_safe_is_answered_again_and_not_taken_in_again() -> None:
    receipts = InboundSession()
    receipts.remember({5: 7})
    receipts.resume(session_present=True)
    assert receipts.arrived(5, 1, duplicate=True, content=7) is None
    assert receipts.take_replies() == PUBACK_5


@pytest.mark.parametrize(("duplicate", "content"), [(False, 7), (True, 8)], ids=["not marked", "other content"])
def test_only_the_same_message_that_is_marked_as_duplicate_counts_as_one(duplicate: bool, content: int) -> None:
    receipts = InboundSession()
    receipts.remember({5: 7})
    assert receipts.arrived(5, 1, duplicate=duplicate, content=content) is not None


def test_a_new_session_knows_nothing_of_the_identifiers_of_the_old_one() -> None:
    receipts = InboundSession()
    receipts.remember({5: 7})
    receipts.resume(session_present=False)
    assert receipts.arrived(5, 1, duplicate=True, content=7) is not None


def test_a_broker_that_goes_back_to_publish_after_it_released_is_answered_and_nothing_is_taken_in_twice() -> None:
    receipts = InboundSession()
    receipt = receipts.arrived(7, 2, duplicate=False, content=99)
    assert receipt is not None
    receipts.acknowledge(receipt)
    receipts.released(7)
    receipts.resume(session_present=True)
    assert receipts.arrived(7, 2, duplicate=True, content=99) is None
    assert receipts.take_replies() == bytes((0x50, 2, 0, 7))


def test_what_a_later_process_has_to_know_of_messages_comes_back_and_may_be_joined() -> None:
    older, newer = (
        resume_of([(1 << 16 | 5, 1, 77), (1 << 16 | 65_535, 2, 2**32 - 1)]),
        resume_of([(2 << 16 | 5, 1, 78)]),
    )
    assert contents_of(b"") == contents_of(resume_of([])) == {}
    assert contents_of(older) == {5: 77, 65_535: 2**32 - 1}
    assert contents_of(older + newer) == {5: 78, 65_535: 2**32 - 1}
    with pytest.raises(ValueError, match="cut off"):
        contents_of(older[:-1])
