"""Which texts may become a stream, channel, source or model name.

Names end up in metric labels, MQTT topics, file names and log lines. One rule keeps all four safe: letters, digits and
`_ . : -`, not starting with a dot or dash, at most 128 characters.
"""

import re
from typing import Annotated

from pydantic import StringConstraints

NAME_PATTERN = r"^[A-Za-z0-9_:][A-Za-z0-9_.:\-]{0,127}$"
_NAME = re.compile(NAME_PATTERN)

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]


def is_name(text: str) -> bool:
    """Whether `text` may be used as a name."""
    # fullmatch: `$` alone would let a trailing newline through
    return _NAME.fullmatch(text) is not None


def safe_name(text: str) -> str:
    """Make a text a name with the least change: what is not admitted becomes `_`."""
    text = re.sub(r"[^A-Za-z0-9_.:\-]", "_", text.strip())[:128]
    return text if is_name(text) else f"_{text}"[:128]
