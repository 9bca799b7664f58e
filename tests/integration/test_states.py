"""The daemon starts on what older versions left on the disk, with the engine and the broker that it really has."""

from pathlib import Path

import pytest

from tests.broker import Broker, wait_until
from tests.daemon import Daemon
from tests.states.restored import VERSIONS, Left
from tests.states.write import CONFIG, LEARNING, LEARNT

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
def test_a_daemon_goes_on_from_what_an_older_one_left_when_it_was_killed(
    version: Path, tmp_path: Path, broker: Broker
) -> None:
    left = Left.copied(version, tmp_path / "left")
    config = left.folder / "monitor.toml"
    config.write_text(CONFIG.format(port=broker.port))
    daemon = Daemon(config)
    try:
        daemon.wait_connected()
        for model in LEARNT:
            streams = len(LEARNT[model]) + len(LEARNING[model])
            assert daemon.value("residuald_streams", model=model) == streams
        for phase in ("firing", "pending"):
            expected = len(left.meta["at_the_end"][phase])
            assert daemon.value("residuald_alerts_active", phase=phase) == expected
        assert daemon.value("residuald_journal_messages_total") == left.meta["messages"]
        for reason in ("damaged", "settings", "version", "normals", "channels"):
            assert not daemon.value("residuald_checkpoints_discarded_total", reason=reason)
        checkpoint = left.folder / "kept" / "checkpoint"
        assert daemon.stop() == 0
        wait_until(lambda: checkpoint.read_bytes() != (version / "kept" / "checkpoint").read_bytes(), "a checkpoint")
        again = Daemon(config)
        try:
            again.wait_connected()
            recovered = again.event("recovered")
            assert recovered is not None
            assert (recovered["messages"], recovered["streams"]) == (0, 10)
        finally:
            again.stop()
    finally:
        daemon.stop()
