"""The reference page: every section and key of a settings class, from its own text."""

from typing import Annotated, Literal

from pydantic import Field

from monitor.core.values.names import Name
from monitor.settings.reference import reference_page
from monitor.settings.section import Section


class Inner(Section):
    """Inside."""

    path: str | None = None
    """Where | how."""


class Square(Section):
    """Four sides."""

    side: Annotated[float, Field(gt=0, le=2e6)] = 1.5
    """How long."""

    shape: Literal["square"] = "square"
    """What makes it one."""


class Disc(Section):
    """Round."""

    shape: Literal["disc"]
    """What makes it one."""


class Item(Section):
    """One of several."""

    name: Name
    """What it is called."""

    body: Annotated[Square | Disc, Field(discriminator="shape")]
    """Its body."""

    inner: Inner = Inner()
    """Its inside."""


class Root(Section):
    """Above all sections."""

    seed: Annotated[int, Field(ge=0)] = 0
    """Chance."""

    pair: tuple[float, float] | None = None
    """Two of them."""

    sizes: Annotated[tuple[int, ...], Field(max_length=2000)] = (1, 2)
    """Several."""

    share: int | Annotated[float, Field(lt=1)] = 1
    """Number or share."""

    item: tuple[Item, ...] = ()


PAGE = """\
# Words

## Top of the file

Above all sections.

| key | value | default | meaning |
| --- | --- | --- | --- |
| `seed` | whole number, ≥ 0 | `0` | Chance. |
| `pair` | array of 2 numbers | none | Two of them. |
| `sizes` | array of at most 2 000 whole numbers | `[1, 2]` | Several. |
| `share` | whole number; or number, < 1 | `1` | Number or share. |

## \\[\\[item\\]\\]

One of several.

| key | value | default | meaning |
| --- | --- | --- | --- |
| `name` | name | required | What it is called. |
| `body` | section | required | Its body. |
| `inner` | section | as below | Its inside. |

## \\[item.body\\] of shape `square`

Four sides.

| key | value | default | meaning |
| --- | --- | --- | --- |
| `shape` | `"square"` | `"square"` | What makes it one. |
| `side` | number, > 0, ≤ 2 000 000 | `1.5` | How long. |

## \\[item.body\\] of shape `disc`

Round.

| key | value | default | meaning |
| --- | --- | --- | --- |
| `shape` | `"disc"` | required | What makes it one. |

## \\[item.inner\\]

Inside.

| key | value | default | meaning |
| --- | --- | --- | --- |
| `path` | text | none | Where \\| how. |

"""


def test_the_page_has_every_section_and_key_in_the_files_order() -> None:
    assert reference_page("# Words\n", Root) == PAGE
