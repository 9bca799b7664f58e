"""The arm that this is about: the daemon remembers, a person labels, and each week a refit is held to its gate."""

from collections.abc import Callable
from pathlib import Path

from benchmarks.lifecycle.arms import Played, watch_commissioning
from benchmarks.lifecycle.figures import OURS, RefitMade
from benchmarks.lifecycle.motors import Samples
from benchmarks.lifecycle.person import Person
from benchmarks.lifecycle.plan import COMMISSIONING_DAYS, QUARTER_DAYS, WEEK_DAYS, Plan, seconds_of
from benchmarks.lifecycle.plant import Plant

_PERSON_LOOKS = 8 / 24  # of a day


class Loop:
    """A quarter of one fleet with a person. refits: what each came to."""

    def __init__(self, plan: Plan, samples: Samples, folder: Path) -> None:
        """Start with the model that was put into use in `folder`."""
        self.person = Person(plan)
        self.refits: list[RefitMade] = []
        self._plan, self._samples = plan, samples
        self._plant = Plant(folder, plan.streams)

    def play(self, on_stage: Callable[[str], None]) -> Played:
        """Play the quarter: each day the person looks, each week but the last ends with a refit."""
        watch_commissioning(self._plant.walk, self._samples)
        self._plant.remember()
        try:
            for day in range(QUARTER_DAYS):
                self._play_day(COMMISSIONING_DAYS + day)
                if (day + 1) % WEEK_DAYS == 0 and day + 1 < QUARTER_DAYS:
                    on_stage(f"{OURS}, week {(day + 1) // WEEK_DAYS}")
                    self._refit(day + 1)
            return Played.of(self._plant.walk)
        finally:
            self._plant.close()

    def _play_day(self, day: int) -> None:
        begin, look, end = (seconds_of(day + part) for part in (0, _PERSON_LOOKS, 1))
        plant = self._plant
        plant.walk.feed(self._samples.between(begin, look))
        plant.label(self.person.look(look, plant.walk.alerts, plant.mean_score))
        plant.walk.feed(self._samples.between(look, end))

    def _refit(self, day: int) -> None:
        now_seconds = seconds_of(COMMISSIONING_DAYS + day)
        made = self._plant.refit(now_seconds)
        came_to = "promoted" if made.promoted else made.outcome.result
        self.refits.append(RefitMade(day, came_to, made.why, tuple(sorted(made.left_out))))
        self._plant.label(self.person.read_report(now_seconds, made.left_out))
