"""Reloading aside: when it loads, what it loads, and what comes of a model that is damaged, half written or hangs."""

import os
import shutil
import threading
from pathlib import Path

import pytest

from monitor.errors import ConfigError
from monitor.setup import reloader as reloader_module
from monitor.setup.build import Setup, load_setup
from monitor.setup.reloader import Reloader
from tests.broker import wait_until
from tests.configurations import SINE
from tests.sines import sine_recording, write_npz
from trainer.cli import main


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model `sine`, in `newer` the same fitted again later, and a configuration that uses the first."""
    folder = tmp_path_factory.mktemp("fitted")
    for seed, out in enumerate((folder / "sine", folder / "newer" / "sine")):
        data = write_npz(folder / f"{seed}.npz", sine_recording(4000, seed=seed))
        options = ["--family", "pca", "--window", "64"]
        assert main(["fit", "--data", str(data), "--out", str(out), *options]) == 0
    (folder / "monitor.toml").write_text(SINE)
    return folder


@pytest.fixture
def folder(fitted: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(fitted, tmp_path / "copy", symlinks=True))


@pytest.fixture
def reloader(folder: Path) -> Reloader:
    return Reloader(folder / "monitor.toml", load_setup(folder / "monitor.toml"))


def outcome(reloader: Reloader) -> Setup | ConfigError:
    """Poll until something came of it."""
    found: list[Setup | ConfigError] = []

    def look() -> bool:
        came = reloader.poll()
        found.extend([came] if came is not None else [])
        return bool(found)

    wait_until(look, "an outcome")
    return found[0]


def rests(reloader: Reloader) -> bool:
    return all(reloader.poll() is None and not reloader.loading for _ in range(4))


def publish(folder: Path) -> str:
    """Make the version that was fitted later the current one of `sine`, as the trainer would; the version."""
    version = (folder / "newer" / "sine" / "current").resolve()
    shutil.copy(version, folder / "sine" / version.name)
    link = folder / "sine" / "new"
    link.symlink_to(version.name)
    link.replace(folder / "sine" / "current")
    return version.stem


def test_while_nothing_changes_nothing_is_loaded(reloader: Reloader) -> None:
    assert rests(reloader)


def test_a_request_loads_configuration_and_artifacts(reloader: Reloader, folder: Path) -> None:
    (folder / "monitor.toml").write_text(SINE + "[limits]\nmax_streams = 7\n")
    assert rests(reloader)  # who edits a file says when it is done
    reloader.request()
    came = outcome(reloader)
    assert isinstance(came, Setup)
    assert came.config.limits.max_streams == 7
    assert rests(reloader)


def test_a_new_current_artifact_is_loaded_by_itself_and_once(reloader: Reloader, folder: Path) -> None:
    version = publish(folder)
    came = outcome(reloader)
    assert isinstance(came, Setup)
    assert came.artifacts["sine"].manifest.version == version
    assert rests(reloader)


def test_a_new_artifact_does_not_pull_in_a_configuration_that_is_being_edited(reloader: Reloader, folder: Path) -> None:
    (folder / "monitor.toml").write_text("[half")
    version = publish(folder)
    came = outcome(reloader)
    assert isinstance(came, Setup)
    assert came.artifacts["sine"].manifest.version == version


def test_a_request_that_comes_while_loading_begins_is_not_lost(folder: Path) -> None:
    told: list[Reloader] = []  # who is told once, while it looks at the clock: then a signal may arrive

    def clock() -> float:
        if told:
            (folder / "monitor.toml").write_text(SINE + "[limits]\nmax_streams = 7\n")
            told.pop().request()
        return 0.0

    reloader = Reloader(folder / "monitor.toml", load_setup(folder / "monitor.toml"), clock)
    told.append(reloader)
    publish(folder)
    assert isinstance(outcome(reloader), Setup)
    came = outcome(reloader)
    assert isinstance(came, Setup)
    assert came.config.limits.max_streams == 7


def test_a_damaged_artifact_is_told_once_and_tried_again_when_it_changes(reloader: Reloader, folder: Path) -> None:
    file = (folder / "sine" / "current").resolve()
    good = file.read_bytes()
    file.write_bytes(good[: len(good) // 2])
    came = outcome(reloader)
    assert isinstance(came, ConfigError)
    assert "not a TorchScript archive" in came.problems[0]
    assert rests(reloader)
    file.write_bytes(good)
    assert isinstance(outcome(reloader), Setup)


def test_a_file_that_still_grows_is_let_come_to_rest(reloader: Reloader, folder: Path) -> None:
    file = (folder / "sine" / "current").resolve()
    data = file.read_bytes()
    for part in range(1, 6):
        file.write_bytes(data[: len(data) * part // 6])
        assert reloader.poll() is None
        assert not reloader.loading
    file.write_bytes(data)
    assert isinstance(outcome(reloader), Setup)


def test_a_missing_artifact_of_a_new_configuration_is_waited_for(reloader: Reloader, folder: Path) -> None:
    (folder / "monitor.toml").write_text(SINE.replace('path = "sine"', 'path = "later"'))
    reloader.request()
    came = outcome(reloader)
    assert isinstance(came, ConfigError)
    assert "no artifact here" in came.problems[0]
    assert rests(reloader)
    shutil.copytree(folder / "newer" / "sine", folder / "later", symlinks=True)
    assert isinstance(outcome(reloader), Setup)


def test_a_wrong_configuration_is_tried_again_when_it_changes(reloader: Reloader, folder: Path) -> None:
    (folder / "monitor.toml").write_text(SINE + "[limits]\nmax_stream = 7\n")
    reloader.request()
    assert isinstance(outcome(reloader), ConfigError)
    assert rests(reloader)
    (folder / "monitor.toml").write_text(SINE + "[limits]\nmax_streams = 9\n")
    came = outcome(reloader)
    assert isinstance(came, Setup)
    assert came.config.limits.max_streams == 9
    (folder / "monitor.toml").write_text("[half")
    assert rests(reloader)  # all is well again: the file is left alone


def test_what_changes_while_it_loads_is_loaded_afterwards(
    reloader: Reloader, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded, go_on = threading.Event(), threading.Event()

    def slowly(path: Path, before: Setup) -> Setup:
        setup = load_setup(path, before)
        loaded.set()
        go_on.wait()
        return setup

    monkeypatch.setattr(reloader_module, "load_setup", slowly)
    before = (folder / "sine" / "current").resolve().stem
    reloader.request()
    wait_until(lambda: reloader.poll() is None and loaded.is_set(), "the old one is loaded")
    version = publish(folder)
    go_on.set()
    first, second = outcome(reloader), outcome(reloader)
    assert isinstance(first, Setup)
    assert isinstance(second, Setup)
    assert first.artifacts["sine"].manifest.version == before
    assert second.artifacts["sine"].manifest.version == version
    assert rests(reloader)


def test_a_model_that_hangs_while_it_loads_is_given_up_and_the_next_one_taken(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    hung = threading.Event()
    reloader = Reloader(folder / "monitor.toml", load_setup(folder / "monitor.toml"), lambda: clock[0])
    monkeypatch.setattr(reloader_module, "load_setup", lambda _path, _before: hung.wait())
    reloader.request()
    assert reloader.poll() is None
    clock[0] = 119.0
    assert reloader.poll() is None
    clock[0] = 121.0
    came = reloader.poll()
    assert isinstance(came, ConfigError)
    assert came.problems == ["not loaded within 121 s: a model hangs"]
    monkeypatch.undo()
    reloader.request()
    assert isinstance(outcome(reloader), Setup)
    hung.set()
    assert rests(reloader)  # whatever the first one found


def test_an_unexpected_error_while_loading_is_an_outcome_too(
    reloader: Reloader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_path: Path, _before: Setup) -> Setup:
        raise ZeroDivisionError("odd")

    monkeypatch.setattr(reloader_module, "load_setup", fail)
    reloader.request()
    came = outcome(reloader)
    assert isinstance(came, ConfigError)
    assert came.problems == ["ZeroDivisionError: odd"]


def test_the_signature_of_an_artifact_is_watched_as_well(reloader: Reloader, folder: Path) -> None:
    file = (folder / "sine" / "current").resolve()
    Path(f"{file}.sig").write_bytes(os.urandom(64))
    assert isinstance(outcome(reloader), Setup)
