"""Which texts may become a stream, channel, source or model name, and how any other text becomes one.

Names end up in metric labels, MQTT topics, file names and log lines. One rule keeps all four safe: letters, digits and
`_ . : -`, not starting with a dot or dash, at most 128 characters.
"""

import hashlib
import re
import unicodedata
from typing import Annotated

from pydantic import StringConstraints

NAME_PATTERN = r"^[A-Za-z0-9_:][A-Za-z0-9_.:\-]{0,127}$"
_NAME = re.compile(NAME_PATTERN)
_LONGEST = 128

# Letters that Unicode does not take apart into a plain letter and a mark.
_PLAIN_LETTERS = str.maketrans(
    {"ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "đ": "d", "Đ": "D", "ł": "l", "Ł": "L"}
)

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]


def is_name(text: str) -> bool:
    """Whether `text` may be used as a name."""
    # fullmatch: `$` alone would let a trailing newline through
    return _NAME.fullmatch(text) is not None


def safe_name(text: str) -> str:
    """Make a text a name with the least change: what is not admitted becomes `_`."""
    text = re.sub(r"[^A-Za-z0-9_.:\-]", "_", text.strip())[:_LONGEST]
    return text if is_name(text) else f"_{text}"[:_LONGEST]


def stream_name(text: str) -> str:
    """Make what a topic or payload calls a stream a name, the same in every process. A name stays itself.

    Accents are dropped and all other ASCII that names do not admit becomes `_`, as in `safe_name`. Letters of other
    scripts become `_`, too: most names in such a script would be the same row of `_`, so a hash of the text follows.
    Two texts can still become one name (`pump 1`, `pump_1`); the router keeps their streams apart.
    """
    if is_name(text):
        return text
    parts = unicodedata.normalize("NFKD", text.translate(_PLAIN_LETTERS))
    plain = "".join(letter for letter in parts if not unicodedata.combining(letter))
    if plain.isascii() and len(plain) <= _LONGEST:
        return safe_name(plain)
    ending = "-" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return safe_name(plain)[: _LONGEST - len(ending)] + ending


def shown_text(text: str) -> str:
    """A text from outside as it may be shown to people: without control and bidirectional characters.

    Blanks of any kind and ends of lines become a blank.
    """
    if text.isprintable():
        return text
    return "".join(" " if letter.isspace() else letter for letter in text if letter.isprintable() or letter.isspace())
