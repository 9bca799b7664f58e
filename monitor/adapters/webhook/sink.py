"""A webhook as a sink: each step of an alert is posted as JSON, steps of one alert in order, until it is accepted.

One thread posts, one step at a time, so a server that hangs holds up nothing but its own webhook. A step that fails is
tried again with growing, jittered delays; how often it has failed is committed as its progress, so that a new process
does not begin with short delays. A step may come twice (the server accepted it, and the process died before that was
committed): header `Idempotency-Key` is the same then.
"""

import math
import random
import ssl
import threading
import time
from collections.abc import Callable, Iterable

import msgspec
import structlog

from monitor import __version__
from monitor.adapters.webhook.request import Answer, Failure, RequestError, post
from monitor.adapters.webhook.schedule import Schedule, Waiting
from monitor.adapters.webhook.settings import WebhookConfig, read_headers
from monitor.core.ports import Delivery, Progress, StepKey, Told, Wake
from monitor.core.values.backoff import Backoff

log = structlog.get_logger()

_BASE_SECONDS, _CEILING_SECONDS = 1.0, 60.0  # of the delay between two attempts
_MAX_WAITING = 10_000  # steps; beyond, new ones are dropped


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    """A step's progress, as it stands in the journal. accepted_seconds: epoch. attempts: how many have failed."""

    accepted_seconds: float
    attempts: int


class WebhookSink:
    """Steps of alerts to one web server; see `monitor.core.ports.Sink`. States are not told.

    clock: epoch seconds. randomness: of the delays. Counters are read by the metrics' thread.
    """

    def __init__(
        self,
        config: WebhookConfig,
        *,
        clock: Callable[[], float] = time.time,
        randomness: random.Random | None = None,
    ) -> None:
        self.name = f"webhook/{config.name}"
        self.delivered = 0  # steps that were accepted
        self.refused = 0  # steps given up because of the server's answer
        self.dropped = 0  # steps given up because too many waited
        self.retried = 0  # attempts after the first of their step
        self.failures = dict.fromkeys(Failure, 0)  # attempts that failed
        self._config = config
        self._clock = clock
        self._randomness = random.Random() if randomness is None else randomness
        self._schedule = Schedule()
        self._progress: list[Progress] = []
        self._context: ssl.SSLContext | None = None
        self._trouble: str | None = None  # why the last attempt failed, as logged
        self._thread: threading.Thread | None = None
        self._leave_before = math.inf  # monotonic
        self._changed = threading.Condition()  # holds all that two threads share

    @property
    def waiting(self) -> int:
        """How many steps wait to be accepted."""
        return len(self._schedule)

    @property
    def oldest_waiting_seconds(self) -> float:
        """For how long the oldest of them has waited, over restarts; 0 if none waits."""
        with self._changed:
            accepted_seconds = self._schedule.oldest_accepted_seconds()
        return 0.0 if accepted_seconds is None else max(0.0, self._clock() - accepted_seconds)

    def start(self, wake: Wake) -> None:
        """Begin to post. Idempotent."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, args=(wake,), name=self.name, daemon=True)
            self._thread.start()

    def begin(self, delivery: Delivery) -> bytes:  # noqa: ARG002 - the protocol gives it
        """The progress of a step that was not tried yet."""
        return msgspec.json.encode(_Kept(self._clock(), 0))

    def deliver(self, delivery: Delivery) -> None:
        """Post a step, after the earlier ones of its alert; one that waits already is not added."""
        try:
            kept = msgspec.json.decode(delivery.progress, type=_Kept)
        except msgspec.DecodeError:
            kept = _Kept(self._clock(), 0)
        now = time.monotonic()
        with self._changed:
            if len(self._schedule) >= _MAX_WAITING:
                if not self.dropped:
                    log.error("steps of alerts are dropped: too many wait for a webhook", webhook=self._config.name)
                self.dropped += 1
                self._progress.append(Progress(delivery.key, delivery.progress, done=True))
                return
            delay_seconds = self._delay_seconds(kept.attempts) if kept.attempts > 0 else 0.0
            self._schedule.add(Waiting(delivery, kept.accepted_seconds, kept.attempts), now + delay_seconds)
            self._changed.notify()

    def progress(self) -> list[Progress]:
        """The attempts since the last call: how often steps have failed, and which are done."""
        with self._changed:
            taken, self._progress = self._progress, []
        return taken

    def committed(self, keys: Iterable[StepKey]) -> None:
        """Nothing waits for that."""

    def tell(self, state: Told) -> None:
        """States are not posted."""

    def retained_at(self, topic: str) -> None:
        """Nowhere: states are not posted."""

    def clear(self, place: str) -> bool:  # noqa: ARG002 - the protocol gives it
        """Nothing stands anywhere."""
        return True

    @property
    def alive(self) -> bool:
        """Whether its thread posts, or waits to."""
        return self._thread is not None and self._thread.is_alive() and time.monotonic() < self._leave_before

    @property
    def idle(self) -> bool:
        """Whether no step waits."""
        return not self._schedule

    def leave(self, timeout_seconds: float) -> None:
        """Try what waits once more and end. Idempotent."""
        now = time.monotonic()
        with self._changed:
            if self._leave_before == math.inf:
                self._leave_before = now + timeout_seconds
                self._schedule.hurry(now)
                self._changed.notify()

    # --- the thread

    def _run(self, wake: Wake) -> None:
        while (waiting := self._next()) is not None:
            outcome = self._attempt(waiting)
            with self._changed:
                if isinstance(outcome, Answer) and outcome.final:
                    self._finish(waiting, outcome)
                else:
                    self._repeat(waiting, outcome)
            wake()

    def _next(self) -> Waiting | None:
        """Wait for the next step to try; None if we leave and none is due."""
        with self._changed:
            while (waiting := self._schedule.take(time.monotonic())) is None:
                if self._leave_before < math.inf:
                    return None
                due_seconds = self._schedule.due_seconds()
                self._changed.wait(None if due_seconds == math.inf else max(0.0, due_seconds - time.monotonic()))
            self.retried += waiting.attempts > 0
            return waiting if time.monotonic() < self._leave_before else None

    def _attempt(self, waiting: Waiting) -> Answer | RequestError:
        """Post a step."""
        try:
            return post(
                self._config,
                self._tls(),
                self._headers(waiting.delivery.key),
                _body(waiting.delivery),
                lambda: self._leave_before - time.monotonic(),
            )
        except RequestError as error:
            if error.failure is Failure.TLS:
                self._context = None  # what is trusted may have changed: read it anew
            return error
        except Exception:
            # an error of ours: it must not end the webhook, and must not pass unseen
            log.exception("a webhook met an unexpected error", webhook=self._config.name)
            return RequestError(Failure.UNEXPECTED, "an unexpected error")

    def _tls(self) -> ssl.SSLContext | None:
        try:
            self._context = self._context or self._config.context()
        except OSError as error:
            text = f"webhook.ca_file {self._config.ca_file}: {error.strerror or 'no certificate in it'}"
            raise RequestError(Failure.SETTINGS, text) from None
        return self._context

    def _headers(self, key: StepKey) -> dict[str, str]:
        path = self._config.headers_file
        try:
            theirs = {} if path is None else read_headers(path)
        except OSError as error:
            raise RequestError(Failure.SETTINGS, f"webhook.headers_file {path}: {error.strerror}") from None
        except ValueError as error:
            raise RequestError(Failure.SETTINGS, f"webhook.headers_file {error}") from None
        agent = {} if "user-agent" in map(str.lower, theirs) else {"User-Agent": f"residuald/{__version__}"}
        return {
            **agent,
            **theirs,
            "Content-Type": "application/json",
            "Idempotency-Key": f"{key.alert}-{key.step}",
            "Connection": "close",
        }

    def _finish(self, waiting: Waiting, answer: Answer) -> None:
        """It is done: accepted, or refused for good."""
        delivery = waiting.delivery
        if answer.accepted:
            self.delivered += 1
            if self._trouble is not None:
                log.info("a webhook works again", webhook=self._config.name, to=self._config.origin)
                self._trouble = None
        else:
            self.refused += 1
            self.failures[Failure.STATUS] += 1
            log.error(
                "a webhook refuses a step of an alert; it is not sent again",
                webhook=self._config.name,
                to=self._config.origin,
                status=answer.status,
                alert=delivery.key.alert,
                step=delivery.key.step,
            )
        self._schedule.done(waiting, time.monotonic())
        self._progress.append(Progress(delivery.key, delivery.progress, done=True))

    def _repeat(self, waiting: Waiting, outcome: Answer | RequestError) -> None:
        """It failed and is tried again: by another process, if this one leaves."""
        now, delivery = time.monotonic(), waiting.delivery
        failure = Failure.STATUS if isinstance(outcome, Answer) else outcome.failure
        reason = f"it answers with status {outcome.status}" if isinstance(outcome, Answer) else str(outcome)
        self.failures[failure] += 1
        waiting.attempts += 1
        delay_seconds = self._delay_seconds(waiting.attempts)
        if isinstance(outcome, Answer):
            self._schedule.pause(now + outcome.pause_seconds(self._clock()))
        self._schedule.again(waiting, now + delay_seconds if self._leave_before == math.inf else math.inf)
        kept = msgspec.json.encode(_Kept(waiting.accepted_seconds, waiting.attempts))
        self._progress.append(Progress(delivery.key, kept, done=False))
        if reason != self._trouble:  # once, however many steps wait and however often they are tried
            self._trouble = reason
            log.warning("a webhook fails", webhook=self._config.name, to=self._config.origin, reason=reason)

    def _delay_seconds(self, attempts: int) -> float:
        """How long to wait after so many attempts have failed (at least one)."""
        return Backoff(_BASE_SECONDS, _CEILING_SECONDS, self._randomness, attempts - 1).next_seconds()


def _body(delivery: Delivery) -> bytes:
    """The JSON object of the step, with its number among the fields."""
    fields = msgspec.json.decode(delivery.payload, type=dict[str, msgspec.Raw])
    return msgspec.json.encode({**fields, "step": delivery.key.step})
