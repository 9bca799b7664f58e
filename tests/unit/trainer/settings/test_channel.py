"""What a user says of a channel, and what the manifest makes of it."""

import pytest
from pydantic import ValidationError

from monitor.core.artifact.manifest import ChannelSpec
from trainer.settings import ChannelSettings


def test_a_channel_becomes_the_manifests_record() -> None:
    told = ChannelSettings(name="vib_x", unit="g", low=-16, high=16, may_rest=False)
    assert told.spec == ChannelSpec(name="vib_x", unit="g", low=-16, high=16, may_rest=False)


def test_whether_a_channel_may_rest_is_left_to_the_data_unless_told() -> None:
    assert "may_rest" not in ChannelSettings(name="a").spec.model_fields_set
    assert "may_rest" in ChannelSettings(name="a", may_rest=True).spec.model_fields_set


def test_no_user_makes_a_channel_derived() -> None:
    with pytest.raises(ValidationError, match="derived"):
        ChannelSettings.model_validate({"name": "rr", "derived": True})
