"""Reloading: configuration and artifacts are loaded aside, in a thread of their own, while the pipeline goes on.

Reasons to load: somebody asked for it (SIGHUP: configuration and artifacts), an artifact in use or a candidate changed
on the disk (artifacts only; a configuration that is being edited is left alone), or what failed last time has changed.
Candidates that nothing speaks against are put into use first, and then loaded as any new artifact is.
"""

import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import structlog

from monitor.adapters.artifacts.candidates import watched_files
from monitor.adapters.artifacts.standing import Standing
from monitor.adapters.engines.model_folder import resolve_artifact
from monitor.core.artifact.manifest import SIGNATURE_SUFFIX
from monitor.core.artifact.model_folder_names import CANDIDATES, FROZEN_FILE, GENERATION_FILE
from monitor.core.artifact.rollback import ROLLBACK_FILE
from monitor.errors import ArtifactError, ConfigError
from monitor.setup.build import Setup, equip, load_setup, standings_of
from monitor.setup.config_file import sound_models
from monitor.setup.promotion import Blocked, promote_candidates

log = structlog.get_logger()

_PATIENCE_SECONDS = 120.0  # a model that takes longer to load and score its golden windows never will

_RETRY_SECONDS = 60.0  # until a candidate is tried again that only the disk or somebody else kept from being promoted

_Fingerprint = frozenset[tuple[str, int, int, int]]  # of each file: path, inode, size, time of the last change


@dataclass(slots=True)
class _Attempt:
    everything: bool
    of_candidates: bool  # whether nothing changed but what waits, and what is said of versions
    read: _Fingerprint  # what there was to read when it began
    began_monotonic: float
    thread: threading.Thread | None = None
    blocked: dict[str, Blocked] = field(default_factory=dict)  # candidates that could not be promoted, by model
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
        self._failed = False
        self._standings = dict(setup.standings)
        promotable = any(standing.promotable for standing in setup.standings.values())
        self._next_promotion = -math.inf if promotable else math.inf
        self._tried = self._last_look = self._look(everything=False)

    def request(self) -> None:
        """Load everything at the next `poll`. Safe in a signal handler: it takes no lock."""
        self._requested = True

    @property
    def standings(self) -> Mapping[str, Standing]:
        """How the folders of the models stand, by model, as of the last load."""
        return self._standings

    @property
    def loading(self) -> bool:
        """Whether a setup is being loaded."""
        return self._attempt is not None

    def poll(self) -> Setup | ConfigError | None:
        """Start loading where there is a reason; what came of it, once, when it is done.

        The setup returned is meant to be used from now on; None where that would be the one in use.
        """
        if self._attempt is not None:
            return self._conclude(self._attempt)
        before, self._last_look = self._last_look, self._look(everything=self._watches_config)
        # a file that changed is let come to rest first: half a copy would only fail
        changed = self._tried != self._last_look == before
        if self._requested or changed or self._is_time_to_promote():
            requested, self._requested = self._requested, False  # one that comes from here on asks for another load
            self._begin(everything=requested or self._watches_config)
        return None

    def _is_time_to_promote(self) -> bool:
        return self._next_promotion < math.inf and self._monotonic() >= self._next_promotion

    def _begin(self, *, everything: bool) -> None:
        self._next_promotion = math.inf
        log.info("loading aside", what="configuration and artifacts" if everything else "artifacts")
        read = self._look(everything=everything)
        of_candidates = not everything and all(_is_of_candidates(Path(entry[0])) for entry in read ^ self._tried)
        attempt = self._attempt = _Attempt(everything, of_candidates, read, self._monotonic())
        attempt.thread = threading.Thread(target=self._load, args=(attempt,), name="reload", daemon=True)
        attempt.thread.start()

    def _load(self, attempt: _Attempt) -> None:
        try:
            manifests = {name: artifact.manifest for name, artifact in self._setup.artifacts.items()}
            attempt.blocked = promote_candidates(self._setup.config, manifests, datetime.now(UTC))
            attempt.read = self._look(everything=attempt.everything)  # what was promoted is what is loaded now
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
        before = self._setup
        if isinstance(outcome, Setup):
            self._setup, self._watches_config = outcome, False
            watched = {str(file) for file in _files(model.path for model in self._setup.config.model)}
            self._tried = frozenset(entry for entry in attempt.read if entry[0] in watched)
        elif attempt.everything:
            self._watches_config = True
        self._last_look = self._tried
        self._note_standings(attempt.blocked)
        failed_before, self._failed = self._failed, isinstance(outcome, ConfigError)
        if isinstance(outcome, Setup) and attempt.of_candidates and not failed_before and _same(before, outcome):
            return None  # what changed is not in use
        return outcome

    def _note_standings(self, blocked: Mapping[str, Blocked]) -> None:
        self._standings = standings_of(self._setup.config)
        for model, why in blocked.items():
            if model in self._standings:
                self._standings[model] = self._standings[model].blocked(why.version, why.reason)
        if any(why.passes for why in blocked.values()):
            self._next_promotion = self._monotonic() + _RETRY_SECONDS

    def _look(self, *, everything: bool) -> _Fingerprint:
        folders = [model.path for model in self._setup.config.model]
        if everything:
            folders += [model.path for model in sound_models(self._path).values()]
        return _fingerprint([*([self._path] if everything else []), *_files(folders)])


def _same(one: Setup, other: Setup) -> bool:
    names = one.artifacts.keys() | other.artifacts.keys()
    return all(one.artifacts.get(name) is other.artifacts.get(name) for name in names)


def _is_of_candidates(file: Path) -> bool:
    return file.parent.name == CANDIDATES or file.name.startswith((GENERATION_FILE, FROZEN_FILE))


def _files(models: Iterable[Path]) -> Iterable[Path]:
    for path in models:
        try:
            file = resolve_artifact(path)
        except ArtifactError:
            continue
        for part in (file, file.with_suffix(".onnx")):
            yield from (part, part.with_name(part.name + SIGNATURE_SUFFIX))
        for name in (ROLLBACK_FILE, GENERATION_FILE):
            yield from (file.with_name(name), file.with_name(name + SIGNATURE_SUFFIX))
        if path.is_dir():
            yield from (path / FROZEN_FILE, *watched_files(path))


def _fingerprint(files: Iterable[Path]) -> _Fingerprint:
    found = set()
    for file in files:
        try:
            status = file.stat()
        except OSError:
            continue
        found.add((str(file), status.st_ino, status.st_size, status.st_mtime_ns))
    return frozenset(found)
