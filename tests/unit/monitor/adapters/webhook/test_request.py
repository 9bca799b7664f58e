"""What an answer means: accepted, to be tried again, or of no use to try again; and how long a server is left alone."""

from email.utils import formatdate

import pytest

from monitor.adapters.webhook.request import Answer


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_a_status_of_200_and_more_means_accepted(status: int) -> None:
    assert Answer(status).accepted
    assert Answer(status).final


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 401, 403, 404, 410, 413, 422])
def test_redirects_and_what_is_our_fault_are_final(status: int) -> None:
    assert not Answer(status).accepted
    assert Answer(status).final


@pytest.mark.parametrize("status", [103, 408, 429, 500, 502, 503, 504, 599, 999])
def test_what_may_pass_is_tried_again(status: int) -> None:
    assert not Answer(status).accepted
    assert not Answer(status).final


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("86400", 300.0),
        ("9" * 400, 300.0),
        (formatdate(1_700_000_010, usegmt=True), 10.0),
        (formatdate(1_600_000_000, usegmt=True), 0.0),
        ("", 0.0),
        ("-5", 0.0),
        ("soon", 0.0),
        ("Fri, 99 Foo 2023 00:00:00 GMT", 0.0),
    ],
)
def test_a_server_that_says_when_is_left_alone_until_then_within_a_bound(retry_after: str, seconds: float) -> None:
    for status in (429, 503):
        assert Answer(status, retry_after).pause_seconds(1_700_000_000.0) == seconds
    assert Answer(500, retry_after).pause_seconds(1_700_000_000.0) == 0.0
