"""Fixtures that more than one test file uses."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.broker import Broker, Peer, running
from tests.links import Links

# A busy machine makes an example slow, not wrong; pytest-timeout bounds whole tests.
settings.register_profile("residuald", deadline=None)
settings.load_profile("residuald")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A Mosquitto that lets everybody in, and forgets everything when it stops."""
    with running(Broker(tmp_path)) as started:
        yield started


@pytest.fixture
def persistent_broker(tmp_path: Path) -> Iterator[Broker]:
    """A Mosquitto that keeps sessions and retained messages over a restart."""
    with running(
        Broker(tmp_path, f"allow_anonymous true\npersistence true\npersistence_location {tmp_path}/")
    ) as started:
        yield started


@pytest.fixture
def peer(broker: Broker) -> Iterator[Peer]:
    """Somebody else on `broker`."""
    somebody = Peer(broker)
    yield somebody
    somebody.close()


@pytest.fixture
def world(persistent_broker: Broker) -> Iterator[Peer]:
    """Somebody else on `persistent_broker`, who hears all that the daemon says."""
    somebody = Peer(persistent_broker)
    somebody.listen("residuald/#")
    yield somebody
    somebody.close()


@pytest.fixture
def links() -> Iterator[Links]:
    """Links to a broker, stopped when the test ends."""
    started = Links()
    yield started
    started.stop()
