"""Plain text is escaped wherever it comes to stand in the report, and HTML is left as it is."""

import pytest
from matplotlib.figure import Figure

from trainer.report.page_parts import Html, code, facts, heading, paragraph, picture, table, text

HOSTILE = '<script>alert("&")</script>'
ESCAPED = "&lt;script&gt;alert(&quot;&amp;&quot;)&lt;/script&gt;"


@pytest.mark.parametrize(
    "part",
    [
        text(HOSTILE),
        code(HOSTILE),
        heading(HOSTILE),
        paragraph(HOSTILE),
        table((HOSTILE,), ()),
        table(("file",), [(HOSTILE,)]),
        facts([(HOSTILE, "told")]),
        facts([("label", HOSTILE)]),
        picture(Figure(figsize=(1, 1)), HOSTILE),
    ],
)
def test_plain_text_is_escaped_once(part: str) -> None:
    assert part.count(ESCAPED) == 1
    assert "<script>" not in part


def test_html_is_left_as_it_is() -> None:
    assert paragraph(Html("<b>1</b>")) == "<p><b>1</b></p>"
    assert table((), [(code("a<b"),)]) == "<table><tr></tr><tr><td><code>a&lt;b</code></td></tr></table>"


def test_whole_numbers_are_set_to_the_right() -> None:
    assert table(("n",), [(3,)]) == '<table><tr><th>n</th></tr><tr><td class="number">3</td></tr></table>'
