"""What every section of a settings file is: frozen, and without room for a misspelt key."""

from functools import cache
from typing import Annotated, Any, ClassVar, Union

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

Count = Annotated[int, Field(ge=1, le=1_000_000)]


class Section(BaseModel):
    """One table of a settings file; the text below a key describes it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class OpenSection(Section):
    """One table that comes in several kinds, told apart by the key `tag`.

    A direct subclass names the tag. Each class below that one whose tag has a default is a kind of the table from then
    on, wherever it stands: so a kind is added without a list of all kinds.
    """

    tag: ClassVar[str]
    kinds: ClassVar[dict[str, type["OpenSection"]]]

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Enter a class among the kinds of its table."""
        super().__pydantic_init_subclass__(**kwargs)
        if OpenSection in cls.__bases__:
            cls.kinds = {}
        elif not cls.model_fields[cls.tag].is_required():
            cls.kinds[cls.model_fields[cls.tag].default] = cls

    @classmethod
    def of_its_kind(cls, table: Any) -> Any:
        """Read a table as the class that its tag names.

        Raises:
            ValidationError: the tag names no kind, or the table is none of that kind.

        """
        return (
            table if isinstance(table, cls) else _adapter_of(tuple(cls.kinds.values()), cls.tag).validate_python(table)
        )


@cache
def _adapter_of(kinds: tuple[type[OpenSection], ...], tag: str) -> TypeAdapter[OpenSection]:
    any_of_them: Any = Union[kinds]  # noqa: UP007 - of as many classes as there are
    return TypeAdapter(Annotated[any_of_them, Field(discriminator=tag)])
