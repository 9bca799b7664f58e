"""What every section of a settings file is: frozen, and without room for a misspelt key."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=1, le=1_000_000)]


class Section(BaseModel):
    """One table of a settings file; the text below a key describes it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
