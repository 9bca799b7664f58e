"""Pieces of the report's HTML. Whatever comes in as plain text is escaped here and nowhere else."""

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape

from matplotlib.figure import Figure


class Html(str):
    """Text that is HTML already, and stays as it is."""

    __slots__ = ()


def text(content: str) -> str:
    """Plain text as HTML."""
    return content if isinstance(content, Html) else escape(content)


def code(content: str) -> Html:
    """Plain text in the type of code."""
    return Html(f"<code>{escape(content)}</code>")


def heading(content: str, level: int = 2) -> str:
    """A heading."""
    return f"<h{level}>{text(content)}</h{level}>"


def paragraph(content: str, kind: str = "") -> str:
    """A paragraph. kind: its class in the page's style."""
    opening = f'<p class="{kind}">' if kind else "<p>"
    return f"{opening}{text(content)}</p>"


def table(head: Sequence[str], rows: Iterable[Sequence[str | int]]) -> str:
    """A table with titles. Whole numbers are set to the right."""
    titles = "".join(f"<th>{text(title)}</th>" for title in head)
    lines = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<table><tr>{titles}</tr>{lines}</table>"


def facts(lines: Iterable[tuple[str, str]]) -> str:
    """A table without titles: a label and a text on each line."""
    rows = (f"<tr><th>{text(label)}</th><td>{text(told)}</td></tr>" for label, told in lines)
    return f"<table>{''.join(rows)}</table>"


def picture(figure: Figure, alternative: str) -> str:
    """A figure, inside the page. alternative: what it shows, for those who do not see it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f'<img alt="{escape(alternative)}" src="data:image/png;base64,{data}">'


def _cell(content: str | int) -> str:
    return f'<td class="number">{content}</td>' if isinstance(content, int) else f"<td>{text(content)}</td>"
