"""The second minute of the demo: how a model follows its machines, and how a fault is kept out of it.

Weeks of pumps are published to the running daemon, a day a second. Everything else is what a person would run, and what
the timer of the trainer would: the commands themselves, with what they print.
"""

import shlex
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from monitor.core.values.instant import written
from monitor.demo.answer import Answer, ask
from monitor.demo.pump_feed import publish, wait_kept
from monitor.demo.pumps import FITTED_DAYS, LAST_DAYS, SERVICED_DAY, Pumps
from monitor.demo.screen import Screen
from monitor.errors import UnavailableError

MODEL = "pump"

_WAITS = 75  # the exit code of a refit whose candidate waits for a person
_TAKEN_UP_SECONDS = 60.0
_SOON_SECONDS = 0.2


class LoopStory:
    """Told by a thread of its own from `start` on, once.

    folder: of the demo, with `models/pump` in use by the daemon whose configuration is `config`. broker: host and port.
    """

    def __init__(self, screen: Screen, folder: Path, config: Path, broker: tuple[str, int], pumps: Pumps) -> None:
        self._screen = screen
        self._folder = folder
        self._config = config
        self._broker = broker
        self._pumps = pumps
        self._stop = threading.Event()
        self._failure: UnavailableError | None = None
        self._thread = threading.Thread(target=self._run, name="loop")

    @property
    def begun(self) -> bool:
        """Whether it has begun."""
        return self._thread.ident is not None

    def start(self) -> None:
        """Begin to tell it."""
        self._thread.start()

    def check(self) -> None:
        """Make sure that it has not failed.

        Raises:
            UnavailableError: it has.

        """
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """End it, also in the midst of it."""
        self._stop.set()
        if self.begun:
            self._thread.join()

    def _run(self) -> None:
        try:
            self._tell()
        except UnavailableError as error:
            self._failure = error

    def _tell(self) -> None:
        """Tell the parts one after the other; each ends early where it is stopped."""
        for part in (self._follow, self._accept_and_label, self._refit_well, self._refit_a_fault):
            if self._stop.is_set():
                return
            part()

    def _follow(self) -> None:
        self._say("a day a second: six pumps, measured once a minute. pump-1 is serviced and runs warmer since,")
        self._say("pump-2 is flushed: harmless, and called a fault")
        self._publish((FITTED_DAYS, LAST_DAYS[0]))

    def _accept_and_label(self) -> None:
        fired = wait_kept(self._history, MODEL, self._pumps.time_of(LAST_DAYS[0]), self._stop)
        config = ["--config", str(self._config)]
        since = written(self._pumps.time_of(SERVICED_DAY))
        self._ask("residuald", ["accept", "pump-1", "--since", since, "--note", "serviced", *config])
        for alert in fired:
            if alert.stream == "pump-2":
                self._ask("residuald", ["label", "--alert", alert.id, "false_alarm", "--note", "flushed", *config])

    def _refit_well(self) -> None:
        self._say("what the timer does every week:")
        in_use = self._version()
        self._ask("residuald-trainer", ["refit", "--config", str(self._config), "--model", MODEL], [0, _WAITS])
        deadline = time.monotonic() + _TAKEN_UP_SECONDS
        while self._version() == in_use and time.monotonic() < deadline and not self._stop.wait(_SOON_SECONDS):
            pass
        self._list_versions()

    def _refit_a_fault(self) -> None:
        if self._stop.is_set():
            return
        self._say("the water that cools all pumps runs short, a little more each day, too slowly for an alert")
        self._publish((LAST_DAYS[0], LAST_DAYS[1]))
        wait_kept(self._history, MODEL, self._pumps.time_of(LAST_DAYS[1]), self._stop)
        self._ask("residuald-trainer", ["refit", "--config", str(self._config), "--model", MODEL], [0, _WAITS])
        self._list_versions()
        if not self._stop.is_set():
            self._say("the model in use stays, until a person says otherwise (residuald models promote)")

    @property
    def _history(self) -> Path:
        return self._folder / "journal" / "history.sqlite"

    def _version(self) -> str:
        return str((self._folder / "models" / MODEL / "current").readlink())

    def _publish(self, days: tuple[int, int]) -> None:
        count = publish(*self._broker, self._pumps, days, self._stop)
        self._say(f"{days[1] - days[0]} days of six pumps in {count} messages")

    def _list_versions(self) -> None:
        self._ask("residuald", ["models", "list", str(self._folder / "models" / MODEL)])

    def _ask(self, program: str, arguments: Sequence[str], fine: Sequence[int] = (0,)) -> None:
        """Run a command and show it with all that it prints."""
        if self._stop.is_set():
            return
        self._screen.tell("$", shlex.join([program, *arguments]), "bold")
        answer: Answer = ask(program, arguments, self._folder / "loop.log", self._stop, fine)
        for line in answer.lines:
            if line.strip():
                self._screen.tell("", line.rstrip())
        if answer.exit_code:
            self._screen.tell("", f"exit code {answer.exit_code}: it waits for a person", "yellow")

    def _say(self, text: str) -> None:
        self._screen.tell("loop", text, "cyan")
