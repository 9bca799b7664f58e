"""What every section of the settings is: frozen, and without room for a misspelt key."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=1, le=1_000_000)]


class Section(BaseModel):
    """One table of a settings file."""

    model_config = ConfigDict(frozen=True, extra="forbid")
