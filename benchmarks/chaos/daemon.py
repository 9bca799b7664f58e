"""`residuald run`, with a wall clock that can be set wrong from outside: the file named first holds the seconds to add.

The clock of the machine cannot be moved for a test. Everything else is the daemon as it ships.
"""

import sys
import time
from pathlib import Path

from monitor.cli import main

_LOOK_AGAIN_SECONDS = 0.1


class ShiftedClock:
    """`time.time`, wrong by what the file says."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._true_time = time.time
        self._offset_seconds = 0.0
        self._looked = -1.0

    def __call__(self) -> float:
        now = time.monotonic()
        if now - self._looked > _LOOK_AGAIN_SECONDS:
            self._looked = now
            self._offset_seconds = float(self._file.read_text() or 0)
        return self._true_time() + self._offset_seconds


if __name__ == "__main__":
    time.time = ShiftedClock(Path(sys.argv.pop(1)))
    sys.exit(main(sys.argv[1:]))
