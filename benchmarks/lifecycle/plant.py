"""A daemon and its trainer on one machine, without broker and clock: pipeline, history, labels, refit and promotion.

Everything is the delivered code, called by hand where threads and timers call it: what is scored goes into the history
by its sampler and writer, labels into the same file, a refit reads both and leaves a candidate, the daemon's code puts
it into use or lets it wait.
"""

import math
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks.lifecycle.models import MODEL
from benchmarks.lifecycle.walk import MAX_BATCH, Walk
from monitor.adapters.engines.loader import Artifact, load_artifact
from monitor.adapters.storage.history_store import HistoryStore
from monitor.adapters.storage.label_table import add_label
from monitor.adapters.storage.settings import HistoryConfig
from monitor.core.artifact.model_folder_names import CURRENT
from monitor.core.history.label import Label
from monitor.durability.history_queue import HistoryQueue
from monitor.durability.history_sampler import HistorySampler
from monitor.durability.history_writer import HistoryWriter
from monitor.pipeline.pipeline import Step
from monitor.readers.history import History
from monitor.setup.config_file import load_config
from monitor.setup.promotion import promote_candidates
from trainer.refit.run import Errand, run_errand
from trainer.refit.run import Outcome as RefitOutcome

_MAX_BYTES = 2 * 10**9
_CONFIG = f"""\
[mqtt]
host = "127.0.0.1"
[[source]]
name = "plant"
topic = "plant/{{device}}"
model = "{MODEL}"
qos = 1
format = {{ kind = "json", timestamp = "ts", rows = "rows" }}
[[model]]
name = "{MODEL}"
path = "{MODEL}"
"""


@dataclass(frozen=True, slots=True)
class Refit:
    """What a refit came to. promoted: whether it came into use. left_out: streams that are too far from their anchors.

    why: why nothing was done, or what keeps the candidate.
    """

    outcome: RefitOutcome
    promoted: bool
    left_out: dict[str, float]

    @property
    def why(self) -> str:
        """In one line."""
        return "; ".join(self.outcome.reasons)


class Plant:
    """One model and its streams.

    folder: holds the model's folder with a first model in use. walk: the pipeline.
    """

    def __init__(self, folder: Path, streams: Sequence[str]) -> None:
        (folder / "monitor.toml").write_text(_CONFIG, encoding="utf-8")
        self.config = load_config(folder / "monitor.toml")
        self.model = folder / MODEL
        self.history = folder / "history.sqlite"
        self.in_use = load_artifact(self.model, max_batch=MAX_BATCH)
        self.walk = Walk.start(self.in_use, streams)
        settings = HistoryConfig()
        self._store = HistoryStore(self.history, _MAX_BYTES)
        self._store.open()
        self._queue = HistoryQueue((MODEL,))
        self._sampler = HistorySampler(
            lambda: self._store.shares,
            settings.max_write_bytes_per_second,
            lambda model, version: self.in_use.sha256,
            0.0,
        )
        self._writer = HistoryWriter(self._store, self._sampler, settings.whole_below_bytes_per_second)

    def remember(self) -> None:
        """Begin to keep what is scored."""
        self.walk.on_step = self._keep

    def close(self) -> None:
        """Let the history go."""
        self._store.close()

    def label(self, labels: Sequence[Label]) -> None:
        """Write down what people say."""
        with closing(sqlite3.connect(self.history, isolation_level=None)) as database:
            for label in labels:
                add_label(database, label)

    def mean_score(self, stream: str, from_seconds: float, to_seconds: float) -> float:
        """The mean score of what was judged of a stream between two times; NaN where nothing was."""
        with History.open(self.history) as history:
            score = history.scores(MODEL, stream, from_seconds, to_seconds).score
        known = score[np.isfinite(score)]
        return float(known.mean()) if len(known) else math.nan

    def refit(self, now_seconds: float) -> Refit:
        """What the timer does once a week, and what the daemon makes of it at once."""
        now = datetime.fromtimestamp(now_seconds, UTC)
        # reports are for people; drawing them takes longer than fitting
        outcome = run_errand(Errand(self.model, MODEL, self.history, self.config.refit), now, lambda *_: "")
        for blocked in promote_candidates(self.config, {MODEL: self.in_use.manifest}, now).values():
            raise RuntimeError(f"{blocked.version}: {blocked.reason}")
        promoted = (self.model / CURRENT).resolve() != self.in_use.path.resolve()
        if promoted:
            self._use(load_artifact(self.model, max_batch=MAX_BATCH))
        return Refit(outcome, promoted, _left_out(outcome))

    def _use(self, artifact: Artifact) -> None:
        self.in_use = artifact
        self.walk.adopt(artifact)

    def _keep(self, step: Step, now_seconds: float) -> None:
        """What the history's thread does about once a second; the clock is that of the samples."""
        self._queue.offer(step, self.walk.pipeline.model_groups)
        batches, steps = self._queue.take()
        self._sampler.take(batches, steps, now_seconds)
        self._queue.taken(batches)
        self._writer.write(now_seconds, everything=True)


def _left_out(outcome: RefitOutcome) -> dict[str, float]:
    """The streams of which a refit left out what is too far from their anchors, and since when."""
    if outcome.judgement is None:
        return {}
    found: dict[str, float] = {}
    for share in outcome.judgement.refitted.shares.shares:
        since = [piece.from_seconds for piece in share.excluded if piece.reason in {"moved", "beyond_anchor"}]
        if since:
            found[share.name] = min(since)
    return found
