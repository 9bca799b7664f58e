"""`residuald label` and `residuald accept`: what people type, what is kept, and what they are told otherwise."""

import json
import os
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from monitor.adapters.storage.history_database import open_history
from monitor.cli import main
from monitor.commands import label_arguments
from monitor.core.history.label import OPEN, Label
from monitor.readers.label_rows import read_labels

ALERT = "6f0c2c1e-5a17-5c55-9d0e-4f1f7e0b2f11"
OPEN_ALERT = "7a0c2c1e-5a17-5c55-9d0e-4f1f7e0b2f11"
BEGAN = 1_772_370_000.0

Say = Callable[..., int]


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """A history with two alerts of one motor, of which one is open."""
    file = tmp_path / "journal" / "history.sqlite"
    database = open_history(file, ("history.sqlite",))
    for alert, to_seconds in ((ALERT, BEGAN + 600), (OPEN_ALERT, None)):
        database.execute(
            "INSERT INTO alert VALUES (?, 'motor', 'plant1.motor-17', ?, ?, 1, 2.5, NULL, '[]')",
            (alert, BEGAN, to_seconds),
        )
    database.close()
    return file


@pytest.fixture
def say(history: Path) -> Say:
    def run(*words: str) -> int:
        return main([*words, "--history", str(history)])

    return run


def kept(history: Path) -> list[Label]:
    database = sqlite3.connect(history)
    labels = read_labels(database, withdrawn=True)
    database.close()
    return labels


MAINTENANCE = ("label", "plant1.motor-17", "maintenance", "--from", "2026-03-01T08:00Z", "--to", "2026-03-01T12:00Z")


def test_an_interval_of_a_stream_is_labelled(say: Say, history: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert say(*MAINTENANCE, "--who", "ann", "--note", "new bearing") == 0
    (label,) = kept(history)
    assert (label.stream, label.kind, label.who, label.note) == ("plant1.motor-17", "maintenance", "ann", "new bearing")
    assert (label.from_seconds, label.to_seconds) == (1_772_352_000.0, 1_772_366_400.0)
    assert label.source == "command"
    assert capsys.readouterr().out.startswith(f"Label {label.id}: plant1.motor-17 maintenance from ")


def test_an_interval_may_have_no_end(say: Say, history: Path) -> None:
    assert say("label", "plant1.motor-17", "bad", "--from", "3d ago", "--to", "open") == 0
    assert kept(history)[0].to_seconds == OPEN


@pytest.mark.parametrize("given", [ALERT, ALERT[:8]])
def test_an_alert_brings_stream_and_interval_along(say: Say, history: Path, given: str) -> None:
    assert say("label", "--alert", given, "false_alarm") == 0
    (label,) = kept(history)
    assert (label.stream, label.from_seconds, label.to_seconds) == ("plant1.motor-17", BEGAN, BEGAN + 600)


def test_of_an_open_alert_is_labelled_what_it_has_been_so_far(say: Say, history: Path) -> None:
    assert say("label", "--alert", OPEN_ALERT, "confirmed") == 0
    (label,) = kept(history)
    assert label.to_seconds == pytest.approx(label.at_seconds)


def test_a_stream_is_accepted_from_a_time_on(say: Say, history: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert say("accept", "plant1.motor-17", "--since", "2h ago", "--who", "ann") == 0
    (label,) = kept(history)
    assert (label.kind, label.source, label.to_seconds) == ("new_normal", "accept", OPEN)
    assert label.at_seconds - label.from_seconds == pytest.approx(7200, abs=1)
    said = capsys.readouterr().out
    assert "The next refit of model motor learns it" in said
    assert f"residuald label --withdraw {label.id}" in said


def test_what_was_said_already_is_not_said_twice(say: Say, history: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert say(*MAINTENANCE, "--who", "ann") == say(*MAINTENANCE, "--who", "ben") == 0
    assert len(kept(history)) == 1
    assert "ann has said so already" in capsys.readouterr().out


def test_labels_are_listed_and_withdrawn(say: Say, history: Path, capsys: pytest.CaptureFixture[str]) -> None:
    say(*MAINTENANCE)
    number = kept(history)[0].id
    assert say("label", "--list") == 0
    assert re.search(r"^id +stream +kind", capsys.readouterr().out, re.MULTILINE)
    assert say("label", "--withdraw", str(number)) == 0
    capsys.readouterr()
    assert say("label", "--list", "plant1.motor-17") == 0
    assert capsys.readouterr().out == "No labels.\n"
    assert say("label", "--list", "--all", "--json") == 0
    fields = json.loads(capsys.readouterr().out)
    assert (fields["id"], fields["kind"]) == (number, "maintenance")
    assert fields["withdrawn"] is not None


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("label", "plant1.motor-18", "bad", "--from", "2h ago", "--to", "now"), "mean plant1.motor-17?"),
        (("accept", "plant1.motor-18", "--since", "2h ago"), "--anyway"),
        (("accept", "plant1.motor-17", "--since", "2199-01-01T00:00Z"), "a time to come"),
        (
            ("label", "plant1.motor-17", "false_alarm", "--from", "1h ago", "--to", "2199-01-01T00:00Z"),
            "over when it is said",
        ),
        (("label", "plant1.motor-17", "bad", "--from", "1h ago", "--to", "2h ago"), "before it begins"),
        (("label", "plant1.motor-17", "bad", "--from", "2h ago", "--to", "now", "--note", "a\nb"), "one line"),
        (("label", "--alert", "00000000", "confirmed"), "no alert 00000000"),
        (("label", "--alert", "6f", "confirmed"), "8 characters"),
        (("label", "--withdraw", "99"), "no label 99"),
    ],
)
def test_what_cannot_be_said_is_explained(
    say: Say, history: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], told: str
) -> None:
    assert say(*words) == 65
    assert told in capsys.readouterr().err
    assert kept(history) == []


def test_a_stream_that_nobody_knows_is_labelled_anyway_when_asked_to(say: Say, history: Path) -> None:
    assert say("label", "new.pump", "bad", "--from", "2h ago", "--to", "now", "--anyway") == 0
    assert kept(history)[0].stream == "new.pump"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("label", "plant1.motor-17"), "give STREAM and KIND"),
        (("label", "plant1.motor-17", "fine", "--from", "now", "--to", "now"), "there are confirmed"),
        (("label", "plant1.motor-17", "bad"), "--from T --to T"),
        (("label", "--alert", ALERT, "confirmed", "--from", "now"), "--alert brings its interval"),
        (("label", "plant1.motor-17", "bad", "--from", "yesterday", "--to", "now"), "write e.g."),
        (("label", "--list", "a", "b"), "one stream"),
        (("label", "bad", "--withdraw", "1"), "nothing else"),
    ],
)
def test_wrong_use_is_explained(
    say: Say, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], told: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        say(*words)
    assert stopped.value.code == 2
    assert told in capsys.readouterr().err


def test_where_there_is_no_history_that_is_said_and_none_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "history.sqlite"
    assert main(["label", "--list", "--history", str(file)]) == 65
    assert "there is no history" in capsys.readouterr().err
    assert not file.exists()


def test_another_database_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "other.sqlite"
    database = sqlite3.connect(file)
    database.execute("CREATE TABLE label (id)")
    database.close()
    before = file.read_bytes()
    assert main(["label", "--list", "--history", str(file)]) == 73
    assert "no history of residuald" in capsys.readouterr().err
    assert file.read_bytes() == before


def test_the_configuration_tells_where_the_history_lies(
    history: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "monitor.toml"
    config.write_text(
        f'[journal]\npath = "{history.parent}"\n[[model]]\nname = "m"\npath = "m"\n'
        '[[source]]\nname = "s"\ntopic = "t/{d}"\nmodel = "m"\nformat = {kind = "json", values = "v"}\n'
    )
    assert main([*MAINTENANCE, "--config", str(config)]) == 0
    assert len(kept(history)) == 1


def test_under_systemd_the_history_is_found_in_the_state_directory_of_the_unit(
    history: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "monitor.toml"
    config.write_text(
        '[[model]]\nname = "m"\npath = "m"\n'
        '[[source]]\nname = "s"\ntopic = "t/{d}"\nmodel = "m"\nformat = {kind = "json", values = "v"}\n'
    )
    monkeypatch.setattr(label_arguments, "UNIT_CONFIG", config)
    monkeypatch.setattr(label_arguments, "UNIT_HISTORY", tmp_path / "nowhere")
    assert main([*MAINTENANCE]) == 65
    assert "--history FILE" in capsys.readouterr().err
    monkeypatch.setattr(label_arguments, "UNIT_HISTORY", history)
    assert main([*MAINTENANCE]) == 0
    assert len(kept(history)) == 1
    config.write_text(f"[history]\nenabled = false\n{config.read_text()}")
    assert main([*MAINTENANCE]) == 65
    assert "switched off" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_what_root_says_leaves_the_files_to_their_owner(say: Say, history: Path) -> None:
    os.chown(history, 65534, 65534)
    database = sqlite3.connect(history)  # as the daemon has it open, so that the log stays
    database.execute("SELECT count(*) FROM label").fetchone()
    assert say(*MAINTENANCE) == 0
    files = sorted(history.parent.glob("history.sqlite*"))
    assert len(files) == 3
    assert {file.stat().st_uid for file in files} == {65534}
    database.close()
