"""Fixtures that more than one test file uses."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings

from tests.broker import Broker, Peer, running
from tests.daemon import Daemon, fit_model
from tests.links import Links

# A busy machine makes an example slow, not wrong; pytest-timeout bounds whole tests.
settings.register_profile("residuald", deadline=None)
settings.load_profile("residuald")


@pytest.hookimpl(trylast=True)  # after the shuffle
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, or one worker is busy with it in the end while the others have nothing to do."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


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


@pytest.fixture
def start() -> Iterator[Callable[..., Daemon]]:
    """Starts daemons, waits until they run, and stops them in the end."""
    started: list[Daemon] = []

    def start_one(config: Path, **environment: str) -> Daemon:
        started.append(Daemon(config, **environment).wait_running())
        return started[-1]

    yield start_one
    for daemon in started:
        daemon.stop()


@pytest.fixture
def start_connected(start: Callable[..., Daemon]) -> Callable[[Path], Daemon]:
    """Starts daemons as `start` does, and waits until they are connected."""
    return lambda config: start(config).wait_connected()


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A small model on waves: its folder, which is everybody's, so nothing may be changed in it."""
    return _fitted_once("first", 0, tmp_path_factory, worker_id)


@pytest.fixture(scope="session")
def newer_model(model: Path, tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A later version of `model`, which is fitted first."""
    assert model.exists()
    return _fitted_once("newer", 1, tmp_path_factory, worker_id)


def _fitted_once(version: str, seed: int, factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Fit a model once for all processes that run tests: a fit takes seconds."""
    base = factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "fitted"
    folder.mkdir(exist_ok=True)
    with FileLock(folder / f"{version}.lock"):
        model = folder / version / "models" / "hum"
        return model if (model / "current").exists() else fit_model(folder / version, "hum", seed)
