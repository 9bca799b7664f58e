"""The summary of a setup: what `residuald check` shows of webhooks, and what it warns of."""

from pathlib import Path
from typing import Any

import pytest

from monitor.adapters.artifacts.candidates import Candidate
from monitor.adapters.artifacts.standing import Standing
from monitor.adapters.engines.loader import Artifact
from monitor.adapters.storage.settings import STATE_DIRECTORY
from monitor.setup.build import Setup
from monitor.setup.registry import Config
from monitor.setup.summary import summary
from tests.manifests import MeanSquareScorer, manifest_of, masking_fields

WEBHOOK = {"url": "https://example.org:8443/hooks/secret?key=secret", "name": "pager"}
NOTHING_WAITS = Standing("1")


def lines(
    *, calibrated: bool = True, kind: str = "fixed", standing: Standing = NOTHING_WAITS, **sections: Any
) -> list[str]:
    source = {"name": "all", "topic": "v/{device}", "format": {"kind": "csv"}, "model": "m"}
    model = {"name": "m", "path": "models/m"}
    config = Config.model_validate({"source": [source], "model": [model]} | sections)
    manifest = manifest_of(("x", "y", "z"), kind=kind, masking=masking_fields(3) if calibrated else None)
    artifact = Artifact(Path("models/m/1.pt"), "", manifest, MeanSquareScorer(), 32)
    return list(summary(Setup(config, {"m": artifact}, {"m": standing})))


def warnings(**sections: Any) -> list[str]:
    return [line for line in lines(**sections) if line.startswith("warning")]


def test_a_webhook_is_shown_without_what_may_be_secret() -> None:
    assert "output   webhook pager: https://example.org:8443" in lines(webhook=[WEBHOOK])
    assert "secret" not in str(lines(webhook=[WEBHOOK]))


def test_a_webhook_without_a_journal_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(STATE_DIRECTORY, raising=False)
    (warning,) = warnings(webhook=[WEBHOOK])
    assert "webhooks need the journal" in warning
    assert warnings(webhook=[WEBHOOK], journal={"path": tmp_path}) == []
    assert warnings() == []
    monkeypatch.setenv(STATE_DIRECTORY, f"{tmp_path}:/elsewhere")
    assert warnings(webhook=[WEBHOOK]) == []


def test_an_artifact_that_one_bad_channel_makes_blind_is_warned_of() -> None:
    (warning,) = warnings(calibrated=False)
    assert "model m" in warning
    assert "Fit it again" in warning


def test_an_artifact_that_does_not_say_what_streams_may_teach_is_warned_of() -> None:
    (warning,) = warnings(kind="stream")
    assert "teaches its fault as normal" in warning


@pytest.mark.parametrize(
    ("topic", "stream", "left_out"),
    [
        ("p/{site}/{device}", None, ""),
        ("p/{site}/{device}", "{device}.{site}", ""),
        ("p/{site}/{device}/{channel}", "{site}-{device}", ""),
        ("p/{site}/{device}", "{device}", "{site}"),
        ("p/{area}/{site}/{device}/{channel}", "{device}", "{area} and {site}"),
        ("p/all", "motor", ""),
        ("p/{device}", "motor", "{device}"),
    ],
)
def test_a_template_that_leaves_placeholders_out_is_warned_of(topic: str, stream: str | None, left_out: str) -> None:
    source = {"name": "all", "topic": topic, "format": {"kind": "csv"}, "model": "m", "stream": stream}
    found = [line for line in warnings(source=[source]) if "leaves out" in line]
    assert len(found) == bool(left_out)
    assert all(f"leaves out {left_out}:" in line for line in found)


def test_a_key_of_the_payload_that_is_left_out_is_warned_of_too() -> None:
    layout = {"kind": "json", "values": "v", "keys": {"device": "id", "line": "l"}}
    source = {"name": "all", "topic": "p/{site}", "format": layout, "model": "m", "stream": "{site}.{device}"}
    (warning,) = warnings(source=[source])
    assert "leaves out {line}" in warning


def test_what_waits_for_a_person_is_shown_with_its_reasons() -> None:
    waits = Standing("1", candidate=Candidate("2", None), reasons=("slow ramps are found less often",))
    assert lines(standing=waits)[-1] == "waits    model m: version 2: slow ramps are found less often"
    assert not [line for line in lines() if line.startswith("waits")]
