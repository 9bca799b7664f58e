"""The history of the running daemon: written beside the journal, whole after a kill, and never in the way."""

import signal
import stat
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from monitor.cli import main
from monitor.readers.history import History
from tests.broker import Broker, Peer, wait_until
from tests.daemon import LENGTH, Daemon, config_text
from tests.machine import ROWS, Machine

pytestmark = pytest.mark.integration

STREAM = "north.press"


@pytest.fixture
def config(tmp_path: Path, persistent_broker: Broker, model: Path) -> Path:
    file = tmp_path / "monitor.toml"
    kept = f'[journal]\npath = "{tmp_path}/kept"\ncheckpoint_seconds = 1'
    file.write_text(config_text(persistent_broker.port, model, extra=kept, mqtt="reconnect_ceiling_seconds = 1"))
    return file


def scored(daemon: Daemon) -> float:
    return daemon.value("residuald_windows_scored_total", stream=STREAM, model="hum") or 0.0


def windows_of(messages: int) -> int:
    return (messages * ROWS - LENGTH) // 32 + 1


def test_what_the_daemon_saw_is_in_its_history_after_a_stop_and_a_file_that_was_killed_is_whole(
    start: Callable[..., Daemon], config: Path, world: Peer, capsys: pytest.CaptureFixture[str]
) -> None:
    press, file = Machine(world), config.parent / "kept" / "history.sqlite"
    daemon = start(config).wait_connected()
    press.send(150)
    press.send(20, amplitude=4.0)
    press.send(60)
    wait_until(lambda: scored(daemon) == windows_of(230), "all windows are scored")
    assert daemon.stop() == 0
    with History.open(file) as history:
        (stretch,) = history.stretches("hum", STREAM)
        np.testing.assert_allclose(stretch.values[:, :1500], np.concatenate(press.rows[:150]).T, atol=1e-3)
        assert len(history.scores("hum", STREAM)) == windows_of(230)
        assert [(each.fired, each.end_reason) for each in history.alerts("hum")] == [(True, "calm")]
    for path in file.parent.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    daemon = start(config).wait_connected()
    press.send(100)
    wait_until(lambda: scored(daemon) > windows_of(230), "the next process goes on")
    time.sleep(0.1)  # wherever in a turn of its thread: the file must be whole at any moment
    daemon.stop(signal.SIGKILL)
    with History.open(file) as history:
        assert len(history.scores("hum", STREAM)) >= windows_of(230)
    daemon = start(config).wait_connected()
    assert daemon.value("residuald_history_moved_aside_total") == 0
    wait_until(lambda: daemon.value("residuald_history_healthy") == 1, "the history is written")

    assert main(["history", "--config", str(config), "--stream", STREAM]) == 0
    assert STREAM in capsys.readouterr().out
    assert main(["history", "--config", str(config), "forget", STREAM]) == 0
    with History.open(file) as history:
        assert history.streams("hum") == []


def test_whatever_lies_in_the_place_of_the_history_the_daemon_scores_on_and_says_so(
    start: Callable[..., Daemon], config: Path, world: Peer
) -> None:
    (config.parent / "kept").mkdir(mode=0o700)
    (config.parent / "kept" / "history.sqlite").mkdir()
    press = Machine(world)
    daemon = start(config).wait_connected()
    press.send(50)
    wait_until(lambda: scored(daemon) == windows_of(50), "windows are scored")
    wait_until(lambda: daemon.value("residuald_history_healthy") == 0, "the metric says so")
    wait_until(lambda: daemon.event("nothing is kept in the history for now") is not None, "the log says why")
    assert daemon.get("/readyz")[0] == 200


def test_without_a_history_there_is_no_file_and_no_metric(
    start: Callable[..., Daemon], config: Path, world: Peer
) -> None:
    config.write_text(config.read_text() + "\n[history]\nenabled = false\n")
    daemon = start(config).wait_connected()
    Machine(world).send(50)
    wait_until(lambda: scored(daemon) == windows_of(50), "windows are scored")
    assert daemon.stop() == 0
    assert not (config.parent / "kept" / "history.sqlite").exists()
