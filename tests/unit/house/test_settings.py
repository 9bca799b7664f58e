"""Rules of all settings files, of the daemon and of the trainer."""

import pytest
from pydantic import BaseModel

from monitor.core.artifact import manifest
from monitor.settings.structure import sections_of
from monitor.setup.registry import Config
from trainer.settings import FitSettings

ROOTS = (Config, FitSettings)


@pytest.mark.parametrize("root", ROOTS)
def test_no_table_that_a_user_writes_is_a_record_of_the_manifest(root: type[BaseModel]) -> None:
    records = [place.header for place in sections_of(root) if place.model.__module__ == manifest.__name__]
    assert records == []


@pytest.mark.parametrize("root", ROOTS)
def test_every_section_is_frozen_and_refuses_unknown_keys(root: type[BaseModel]) -> None:
    for place in sections_of(root):
        assert place.model.model_config["frozen"], place
        assert place.model.model_config["extra"] == "forbid", place
