#!/usr/bin/env python3
"""Write the references of all settings, configuration.md and training.md, from the settings' own text.

`python docs/make_reference.py`; with the name of a folder, there.
"""

import sys
from pathlib import Path

from pydantic import BaseModel

from monitor.settings.reference import reference_page
from monitor.setup.registry import Config
from trainer.settings import FitSettings

CONFIGURATION = """\
<!-- Written by docs/make_reference.py from the settings in monitor/. Change those, not this. -->

# Configuration

One TOML file. The smallest that works says where telemetry comes from and which model judges it:

```toml
[[source]]
name = "motors"
topic = "plant/{site}/{device}/motor"
model = "motor"
format = { kind = "json", timestamp = "ts", rows = "rows" }

[[model]]
name = "motor"
path = "models/motor"
```

[`configs/monitor.toml`](../configs/monitor.toml) and [`configs/examples/`](../configs/examples) show more.

* `residuald check --config FILE` tells everything that is wrong with the file, the files it names and the artifacts of
  its models, and exits with 78; with 0 if all is well. `residuald run` makes the same checks.
* An unknown key is an error, so a misspelt one cannot go unnoticed.
* A *name* is up to 128 letters, digits and `_ . : -`, and starts with neither `.` nor `-`: it is safe in topics, labels
  and file names.
* A relative path is taken from the folder of the file.
* Passwords and private keys stand in files of their own; the configuration holds only their paths.
* `systemctl reload residuald` (SIGHUP) reads the file and the artifacts anew. Where anything is wrong the old
  configuration stays, the log says why, and `residuald_config_last_reload_successful` is 0.
"""
TRAINING = """\
<!-- Written by docs/make_reference.py from the settings in trainer/. Change those, not this. -->

# Settings of a fit

One TOML file for `residuald-trainer fit --config FILE` and `select --config FILE`; `evaluate` takes only `[reading]`
from it. Every key has a default that suits a first try, so the file is optional. For instance:

```toml
[[channel]]
name = "pressure"
unit = "bar"
low = 0.0
high = 16.0

[window]
length = 128

[model]
family = "conv"
```

* Options of the command line win over the file, and the file wins over what `--kind` presets.
* An unknown key is an error, so a misspelt one cannot go unnoticed. Everything that is wrong is told at once, before
  any data are read, and the exit code is 78.
* A *name* is up to 128 letters, digits and `_ . : -`, and starts with neither `.` nor `-`.

When to use what: [models.md](models.md) for `[model]` and `[training]`, [representations.md](representations.md) for
`[representation]` and `[score]`, [calibration.md](calibration.md) for `[calibration]`, [ecg.md](ecg.md) for windows
around heartbeats.
"""
PAGES: dict[str, tuple[str, type[BaseModel]]] = {
    "configuration.md": (CONFIGURATION, Config),
    "training.md": (TRAINING, FitSettings),
}


def main() -> None:
    """Write the pages."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    for name, (introduction, root) in PAGES.items():
        (folder / name).write_text(reference_page(introduction, root), encoding="utf-8")


if __name__ == "__main__":
    main()
