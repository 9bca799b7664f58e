"""Whose samples are kept: everybody's but hearts', which somebody has to ask for and which are not kept for ever."""

from pathlib import Path
from typing import Any

import pytest

from monitor.adapters.engines.loader import Artifact
from monitor.setup.build import Setup, fingerprint_of, pipeline_settings_of
from monitor.setup.registry import Config
from monitor.setup.remembered import HEARTBEATS_MAX_AGE_SECONDS, remembered_models
from tests.manifests import MeanSquareScorer, manifest_of


def config_of(history: bool | None, **section: Any) -> Config:
    asked = {} if history is None else {"history": history}
    return Config.model_validate(
        {
            "source": [{"name": "s", "topic": "a/{device}", "model": "m", "format": {"kind": "number"}}],
            "model": [{"name": "m", "path": "/nowhere"} | asked],
            "history": section,
        }
    )


def kept(history: bool | None, *, beats: bool, **section: Any) -> dict[str, float | None]:
    manifest = manifest_of()
    if beats:
        beat = {"before_samples": 3, "max_rr_seconds": 3.0}
        window = manifest.window.model_copy(
            update={
                "cut": "beat",
                "beat": manifest.window.model_validate({"length": 8, "stride": 4, "cut": "beat", "beat": beat}).beat,
            }
        )
        manifest = manifest.model_copy(update={"window": window})
    artifact = Artifact(Path("/nowhere"), "", manifest, MeanSquareScorer(), 1)
    return dict(remembered_models(Setup(config_of(history, **section), {"m": artifact})))


def test_hearts_are_kept_only_where_somebody_asks_for_it_and_then_not_for_ever() -> None:
    assert kept(None, beats=True) == {}
    assert kept(True, beats=True) == {"m": HEARTBEATS_MAX_AGE_SECONDS}
    assert kept(True, beats=True, max_age_seconds=3600) == {"m": 3600.0}


def test_machines_are_kept_unless_somebody_says_no() -> None:
    assert kept(None, beats=False) == {"m": None}
    assert kept(None, beats=False, max_age_seconds=3600) == {"m": 3600.0}
    assert kept(False, beats=False) == {}


@pytest.mark.parametrize("history", [True, False])
def test_whether_a_model_is_kept_changes_neither_the_pipeline_nor_what_its_state_fits(history: bool) -> None:
    assert pipeline_settings_of(config_of(history)) == pipeline_settings_of(config_of(None))
    assert fingerprint_of(config_of(history)) == fingerprint_of(config_of(None))


def test_the_history_lies_beside_the_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    assert config_of(None).history_file is None
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/residuald")
    assert config_of(None).history_file == Path("/var/lib/residuald/journal/history.sqlite")
    assert config_of(None, enabled=False).history_file is None
