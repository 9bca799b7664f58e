"""The daemon, wired: what is built from the configuration, and what operators and systemd ask of it.

    sources -> Engine (this thread) -> sinks         which ones: `monitor/setup/doors.py`
                  | read at scrape time
    Prometheus <- HttpServer (threads) <- DaemonCollector

The engine's loop runs in this thread, between `start` and `stop`. It alone feeds systemd's watchdog; ours
(`adapters/process/watchdog.py`) looks at all threads, and when one hangs ends the process with the reason in the log.
"""

import gc
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

import structlog

from monitor.adapters.artifacts.standing import Standing
from monitor.adapters.engines.loader import Artifact
from monitor.adapters.mqtt.link import MqttLink
from monitor.adapters.process.clock import ArrivalClock
from monitor.adapters.process.sd_notify import Notifier
from monitor.adapters.storage.disk_store import DiskStore
from monitor.adapters.web.server import HttpServer
from monitor.adapters.webhook.sink import WebhookSink
from monitor.core.streams.notices import Notice
from monitor.core.values.discards import Discard
from monitor.daemon.engine import HOUSEKEEPING_SECONDS, Engine
from monitor.daemon.health import Health
from monitor.daemon.model_news import ModelNews
from monitor.durability.checkpointer import Checkpointer
from monitor.durability.history_keeper import HistoryKeeper
from monitor.errors import ConfigError, UnavailableError
from monitor.pipeline.pipeline import Pipeline
from monitor.setup.build import Setup, build_pipeline, fingerprint_of, older_fingerprints_of, succeed
from monitor.setup.config_diff import ConfigDiff
from monitor.setup.doors import Doors, build_doors, name_shares, rebuild_doors, without_dead
from monitor.setup.reloader import Reloader
from monitor.setup.remembered import remembered_models
from monitor.setup.summary import LEARNS_ANY_FAULT, NEEDS_ALL_CHANNELS
from monitor.telemetry.metrics import registry_of

log = structlog.get_logger()

_LINGER_SHARE = 0.2  # of the delay that a window may wait: for so long messages may gather before they are taken
_STOP_SECONDS = 4.0  # of the 5 that a stop may take, what scoring and sinks may use
_WALK_SECONDS = 1.5  # of those, what scoring may use


class App:
    """One running daemon. The constructor only stores; `run` does everything and returns when it is told to stop.

    engine, doors: the parts, once `assemble` was called. moved_monotonic: when the engine moved last.
    """

    engine: Engine
    doors: Doors
    _http: HttpServer

    def __init__(self, config_path: Path, setup: Setup, notifier: Notifier) -> None:
        self._clock = ArrivalClock()
        self.started_seconds = self._clock()
        self.reload_succeeded = True
        self.reload_success_seconds = self.started_seconds
        self._setup = setup
        self._reloader = Reloader(config_path, setup)
        self._models = ModelNews()
        self._notifier = notifier
        self._stopping = threading.Event()
        self.moved_monotonic = time.monotonic()
        self.health = Health(self)
        self._next_feeding = 0.0

    def run(self) -> None:
        """Run until SIGTERM or SIGINT, or until every source has come to its end.

        Raises:
            UnavailableError: the HTTP port is taken.

        """
        self.assemble()
        http = self._http
        http.start()
        previous = {number: signal.signal(number, self._on_signal) for number in _SIGNALS}
        try:
            self.engine.start()
            if self.history is not None:
                self.history.start()
            log.info("running", http=http.address, models=self._versions())
            self._warn_of_artifacts()
            self._notifier.ready(self.health.status())
            gc.freeze()  # torch and pydantic are here to stay: no collection needs to look at them again
            watchdog = self.health.watchdog(http, self._notifier)
            watchdog.start()
            while not self._stopping.is_set() and not self.engine.finished:
                self.turn()
            watchdog.stop()
            self._notifier.stopping()
            self.engine.drain(_STOP_SECONDS, walk_seconds=_WALK_SECONDS)
            if self.history is not None:
                self.history.close()
        finally:
            http.stop()
            for number, handler in previous.items():
                signal.signal(number, handler)
        log.info("stopped")

    def assemble(self) -> None:
        """Build everything from the setup, and go on where the last process stopped. Nothing is started."""
        setup = self._setup
        config, folder = setup.config, setup.config.journal.folder
        store = None if folder is None else DiskStore(folder)
        self.doors = build_doors(config, self._clock, durable=store is not None)
        self.engine = Engine(
            build_pipeline(setup, self._log_discard),
            self.doors.sources,
            self.doors.sinks,
            None
            if store is None
            else Checkpointer(store, config.journal, fingerprint_of(config), older_fingerprints_of(config)),
            self._clock,
            history=self._history_of(setup),
            linger_seconds=config.scoring.max_delay_seconds * _LINGER_SHARE,
            on_moved=self._moved,
            on_notice=self._log_notice,
        )
        health, registry = self.health, registry_of(self)
        self._http = HttpServer(config.http, registry, web=config.web, healthz=health.liveness, readyz=health.readiness)
        self._let_people_label()
        self.engine.recover()
        if self.history is not None:
            self.history.begin(self.pipeline.model_groups)

    def _history_of(self, setup: Setup) -> HistoryKeeper | None:
        config = setup.config
        if config.history_file is None:
            return None
        history = HistoryKeeper(
            config.history_file,
            config.history,
            config.journal.max_bytes,
            self._sha256_of,
            self._clock,
        )
        history.use(remembered_models(setup))
        return history

    def _let_people_label(self) -> None:
        """Have the history keep labels of the streams that it holds, and let only their alerts ask for any."""
        history = self.history
        models = frozenset[str]() if history is None else history.queue.models
        self.pipeline.labelling.use(None if history is None else history.labels, models)
        self.pipeline.asking.models = models

    def turn(self) -> None:
        """One round of the loop, and once a second what is to be done besides."""
        if self.engine.turn():
            self._reload()
            self._models.tell(self.artifacts, self.standings, self.engine)
            self._replace_dead()
            self._notifier.status(self.health.status())

    def _moved(self) -> None:
        """Note that the engine moved, and feed the watchdog about once a second; a step may hold many slow batches."""
        self.moved_monotonic = time.monotonic()
        if self.moved_monotonic >= self._next_feeding:
            self._next_feeding = self.moved_monotonic + HOUSEKEEPING_SECONDS
            if self.health.network_moves():
                self._notifier.watchdog()

    def _replace_dead(self) -> None:
        """Let a fresh source or sink take the place of one that died: each is to live as long as the daemon."""
        doors = without_dead(self.doors, self._setup.config, self._clock, durable=self._durable)
        if doors is self.doors:
            return
        died = {source.name for source in self.doors.sources if source not in doors.sources}
        died |= {sink.name for sink in self.doors.sinks if sink not in doors.sinks}
        log.error("a source or sink died; another takes its place", died=sorted(died))
        try:
            self._change_doors(doors, 0.0)
        except UnavailableError as error:  # it will be tried again
            log.error("no other could take its place", reason=str(error))  # noqa: TRY400 - the text says it all

    def _sha256_of(self, model: str, version: str) -> str:
        """The hash of a version in use; empty where it is not any more, since windows come to the history later."""
        artifact = self.artifacts.get(model)
        return artifact.sha256 if artifact is not None and artifact.manifest.version == version else ""

    # --- reload

    def _reload(self) -> None:
        """Take over what was loaded aside; where anything is wrong with it, all stays as it is."""
        idle = not self._reloader.loading
        outcome = self._reloader.poll()
        if idle and self._reloader.loading:
            self._notifier.reloading()
        if outcome is None:
            if not idle and not self._reloader.loading:  # what was loaded is in use already
                self._notifier.ready(self.health.status())
            return
        if isinstance(outcome, ConfigError):
            self.reload_succeeded = False
            log.error("reload failed; the old configuration stays", path=outcome.path, problems=outcome.problems)
        else:
            self.apply(outcome)
            self.reload_succeeded, self.reload_success_seconds = True, self._clock()
            log.info("reloaded", models=self._versions())
            self._warn_of_artifacts()
        self._notifier.ready(self.health.status())

    def apply(self, setup: Setup) -> None:
        """Go on with another setup: piece by piece what differs, the rest as it is."""
        config, engine = setup.config, self.engine
        diff = ConfigDiff.between(self._setup.config, config)
        if diff.doors:
            doors = rebuild_doors(self.doors, config, self._clock, diff, durable=self._durable)
            self._change_doors(doors, _STOP_SECONDS)
        engine.flush()
        if not diff.pipeline and engine.pipeline.adopt(setup.artifacts):
            engine.artifacts_changed()
        else:
            pipeline, final_step = succeed(engine.pipeline, diff.models, setup, self._log_discard)
            engine.change_pipeline(pipeline, final_step, fingerprint_of(config))
            name_shares(self.doors, config)
        self._setup = setup
        if self.history is not None:
            self.history.use(remembered_models(setup))
        self._let_people_label()
        self._http.protect(config.web)
        if diff.at_next_start:
            log.warning("some changes take effect at the next start", sections=diff.at_next_start)

    def _warn_of_artifacts(self) -> None:
        for model, artifact in self.artifacts.items():
            if artifact.manifest.needs_all_channels:
                log.warning("needs all channels", model=model, hint=NEEDS_ALL_CHANNELS)
            if artifact.manifest.normalization.unbounded:
                log.warning("learns whatever comes", model=model, hint=LEARNS_ANY_FAULT)

    def _change_doors(self, doors: Doors, timeout_seconds: float) -> None:
        self.doors = doors
        self.engine.change_doors(doors.sources, doors.sinks, timeout_seconds)

    # --- what others ask

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline in use."""
        return self.engine.pipeline

    @property
    def link(self) -> MqttLink | None:
        """The link to the broker, where there is one."""
        return self.doors.link

    @property
    def webhooks(self) -> Sequence[WebhookSink]:
        """The webhooks in use."""
        return self.doors.webhooks

    @property
    def checkpointer(self) -> Checkpointer | None:
        """What keeps journal and checkpoints; None where nothing is kept."""
        return self.engine.checkpointer

    @property
    def history(self) -> HistoryKeeper | None:
        """What keeps the history; None where none is kept."""
        return self.engine.history

    @property
    def artifacts(self) -> Mapping[str, Artifact]:
        """The artifacts in use, by model."""
        return self._setup.artifacts

    @property
    def standings(self) -> Mapping[str, Standing]:
        """How the folders of the models stand, by model."""
        return self._reloader.standings

    @property
    def max_channel_series(self) -> int:
        """Most series of `residuald_channel_error`."""
        return self._setup.config.limits.max_channel_series

    @property
    def _durable(self) -> bool:
        return self.engine.checkpointer is not None

    def _versions(self) -> dict[str, str]:
        return {name: artifact.manifest.version for name, artifact in self.artifacts.items()}

    def _log_discard(self, source: str, topic: str, discard: Discard) -> None:
        concerned = {} if discard.stream is None else {"stream": discard.stream}
        log.warning(
            "discarded", source=source, reason=discard.reason.value, **concerned, topic=topic, detail=discard.detail
        )

    def _log_notice(self, model: str, notice: Notice) -> None:
        log.warning(notice.event, model=model, **notice.fields)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self._reloader.request()
        else:
            self._stopping.set()


_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
