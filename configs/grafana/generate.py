#!/usr/bin/env python3
"""Write the Grafana dashboards: `python configs/grafana/generate.py [FOLDER]`, by default into `dashboards/` beside it.

The JSON is generated and committed, so that Grafana needs nothing of this. Change the Python, run this, commit both.
"""

import json
import sys
from pathlib import Path

import device
import fleet
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from panels import TITLES


def main() -> None:
    """Write one file per dashboard."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "dashboards"
    for module in (fleet, device):
        board = module.dashboard().build()
        for number, panel in enumerate(board.panels or [], start=1):
            panel.id_val = number  # Grafana would number them anew at every start; links to a panel should last
        plain = json.loads(json.dumps(board, cls=JSONEncoder))
        for annotation in plain["annotations"]["list"]:
            annotation["titleFormat"] = TITLES[annotation["name"]]
        text = json.dumps(plain, indent=2, sort_keys=True)
        (folder / f"{module.UID}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
