"""A section that comes in several kinds whose classes stand in different places: each makes itself known."""

from typing import Any, ClassVar

from monitor.settings.section import Section


class TaggedSection(Section):
    """The base of such a section. A subclass of it names the tag and holds the kinds, their subclasses are these.

    tag: the key that selects. kinds: the classes by the value that selects them; a class whose tag is a literal with a
    default is one.
    """

    tag: ClassVar[str]
    kinds: ClassVar[dict[str, type[Any]]]

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Note the class where it is a kind."""
        super().__pydantic_init_subclass__(**kwargs)
        tag = cls.model_fields[cls.tag]
        if not tag.is_required():
            cls.kinds[tag.default] = cls
