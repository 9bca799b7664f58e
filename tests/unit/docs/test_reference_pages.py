"""The reference pages of all settings are what the settings say today."""

import pytest

from docs.make_reference import PAGES
from monitor.settings.reference import reference_page
from tests.repository import ROOT


@pytest.mark.parametrize("name", PAGES)
def test_the_page_describes_the_settings_as_they_are(name: str) -> None:
    page = reference_page(*PAGES[name])
    assert page == (ROOT / "docs" / name).read_text(encoding="utf-8"), (
        "run `python docs/make_reference.py` and commit the page"
    )


@pytest.mark.parametrize("name", PAGES)
def test_every_setting_has_a_description(name: str) -> None:
    assert "|  |" not in reference_page(*PAGES[name])
