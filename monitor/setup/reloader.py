"""Reloading: configuration and artifacts are loaded aside, in a thread of their own, while the pipeline goes on.

Reasons to load: somebody asked for it (SIGHUP: configuration and artifacts), an artifact in use changed on the disk
(artifacts only; a configuration that is being edited is left alone), or what failed last time has changed since.
"""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import structlog

from monitor.adapters.engines.model_folder import resolve_artifact, rollback_beside
from monitor.core.artifact.manifest import SIGNATURE_SUFFIX
from monitor.errors import ArtifactError, ConfigError
from monitor.setup.build import Setup, equip, load_setup
from monitor.setup.config_file import sound_models

log = structlog.get_logger()

_PATIENCE_SECONDS = 120.0  # a model that takes longer to load and score its golden windows never will

_Fingerprint = frozenset[tuple[str, int, int, int]]  # of each file: path, inode, size, time of the last change


@dataclass(slots=True)
class _Attempt:
    everything: bool
    read: _Fingerprint  # what there was to read when it began
    began_monotonic: float
    thread: threading.Thread | None = None
    outcome: Setup | ConfigError | None = None


class Reloader:
    """Loads setups in the background. All but `request` is called by one thread, and no call waits.

    path: the configuration file. setup: what was loaded from it at the start.
    """

    def __init__(self, path: Path, setup: Setup, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._setup = setup
        self._monotonic = monotonic
        self._requested = False
        self._attempt: _Attempt | None = None
        self._watches_config = False  # only after it failed: who edits a file says when it is done
        self._tried = self._last_look = self._look(everything=False)

    def request(self) -> None:
        """Load everything at the next `poll`. Safe in a signal handler: it takes no lock."""
        self._requested = True

    @property
    def loading(self) -> bool:
        """Whether a setup is being loaded."""
        return self._attempt is not None

    def poll(self) -> Setup | ConfigError | None:
        """Start loading where there is a reason; what came of it, once, when it is done.

        The setup returned is meant to be used from now on.
        """
        if self._attempt is not None:
            return self._conclude(self._attempt)
        before, self._last_look = self._last_look, self._look(everything=self._watches_config)
        # a file that changed is let come to rest first: half a copy would only fail
        if self._requested or self._tried != self._last_look == before:
            requested, self._requested = self._requested, False  # one that comes from here on asks for another load
            self._begin(everything=requested or self._watches_config)
        return None

    def _begin(self, *, everything: bool) -> None:
        log.info("loading aside", what="configuration and artifacts" if everything else "artifacts")
        attempt = self._attempt = _Attempt(everything, self._look(everything=everything), self._monotonic())
        attempt.thread = threading.Thread(target=self._load, args=(attempt,), name="reload", daemon=True)
        attempt.thread.start()

    def _load(self, attempt: _Attempt) -> None:
        try:
            if attempt.everything:
                attempt.outcome = load_setup(self._path, self._setup)
            else:
                attempt.outcome = equip(self._setup.config, self._path, self._setup)
        except ConfigError as error:
            attempt.outcome = error
        except Exception as error:
            log.exception("loading met an unexpected error")
            attempt.outcome = ConfigError(str(self._path), [f"{type(error).__name__}: {error}"])

    def _conclude(self, attempt: _Attempt) -> Setup | ConfigError | None:
        outcome = attempt.outcome
        if outcome is None:
            took = self._monotonic() - attempt.began_monotonic
            alive = attempt.thread is not None and attempt.thread.is_alive()
            if alive and took < _PATIENCE_SECONDS:
                return None
            # a thread cannot be stopped: it is left to itself, and whatever it may find is not looked at
            why = f"not loaded within {took:.0f} s: a model hangs" if alive else "the loading thread died"
            outcome = ConfigError(str(self._path), [why])
        self._attempt = None
        self._tried = attempt.read
        if isinstance(outcome, Setup):
            self._setup, self._watches_config = outcome, False
            watched = {str(file) for file in _files(model.path for model in self._setup.config.model)}
            self._tried = frozenset(entry for entry in attempt.read if entry[0] in watched)
        elif attempt.everything:
            self._watches_config = True
        self._last_look = self._tried
        return outcome

    def _look(self, *, everything: bool) -> _Fingerprint:
        folders = [model.path for model in self._setup.config.model]
        if everything:
            folders += [model.path for model in sound_models(self._path).values()]
        return _fingerprint([*([self._path] if everything else []), *_files(folders)])


def _files(models: Iterable[Path]) -> Iterable[Path]:
    for path in models:
        try:
            file = resolve_artifact(path)
        except ArtifactError:
            continue
        for part in (file, file.with_suffix(".onnx")):
            yield from (part, part.with_name(part.name + SIGNATURE_SUFFIX))
        rollback = rollback_beside(file)
        yield from (rollback, rollback.with_name(rollback.name + SIGNATURE_SUFFIX))


def _fingerprint(files: Iterable[Path]) -> _Fingerprint:
    found = set()
    for file in files:
        try:
            status = file.stat()
        except OSError:
            continue
        found.add((str(file), status.st_ino, status.st_size, status.st_mtime_ns))
    return frozenset(found)
