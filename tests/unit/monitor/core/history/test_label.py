import math
from typing import Any

import pytest

from monitor.core.history.label import KINDS, LEAVES_OUT, MEANINGS, OPEN, TAKES_IN, Label, LabelError

SOUND: dict[str, Any] = {
    "stream": "plant1.motor-17",
    "from_seconds": 1000.0,
    "to_seconds": 2000.0,
    "kind": "confirmed",
    "who": "ann",
    "at_seconds": 2500.0,
    "source": "command",
}


def test_a_label_may_have_no_end() -> None:
    assert Label(**SOUND | {"to_seconds": OPEN}).is_open
    assert not Label(**SOUND).is_open


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"stream": "a/b"}, "no name of a stream"),
        ({"stream": ""}, "no name of a stream"),
        ({"kind": "fine"}, "there are confirmed, false_alarm"),
        ({"from_seconds": math.nan}, "1970"),
        ({"from_seconds": -1.0}, "1970"),
        ({"from_seconds": -math.inf}, "1970"),
        ({"to_seconds": math.nan}, "1970"),
        ({"to_seconds": 1.7e12}, "2200"),
        ({"to_seconds": 1000.0}, "before it begins"),
        ({"to_seconds": 900.0}, "before it begins"),
        ({"at_seconds": math.inf}, "no time"),
        ({"who": ""}, "who said it"),
        ({"who": "x" * 65}, "who is at most 64"),
        ({"note": "x" * 501}, "note is at most 500"),
        ({"note": "one\ntwo"}, "control characters"),
        ({"note": "\x1b[31m"}, "control characters"),
        ({"note": "\u202e"}, "control characters"),
    ],
)
def test_what_is_no_label_is_refused_with_a_reason(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(LabelError, match=told):
        Label(**SOUND | changed)


def test_a_label_says_something_about_what_it_overlaps_and_not_about_what_it_touches() -> None:
    label = Label(**SOUND)
    assert label.overlaps(1500, 1600)
    assert label.overlaps(500, 3000)
    assert not label.overlaps(2000, 3000)
    assert not label.overlaps(0, 1000)
    assert Label(**SOUND | {"to_seconds": OPEN}).overlaps(1e9, 1e9 + 1)


def test_each_kind_has_a_meaning_and_either_leaves_out_or_takes_in() -> None:
    assert set(MEANINGS) == set(KINDS) == LEAVES_OUT | TAKES_IN
    assert not LEAVES_OUT & TAKES_IN
