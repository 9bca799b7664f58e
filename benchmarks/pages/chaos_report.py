"""The table of docs/reliability.md, written from what `chaos.py --json` measured, one file for each seed."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
_BEGIN, _END = "<!-- written by benchmarks/pages/chaos_report.py -->\n", "<!-- end -->\n"
_EPILOG = """\
example:
  for seed in 1 2 3 4 5; do python -m benchmarks.chaos --seed $seed --json out/chaos/$seed.json; done
  python -m benchmarks.chaos_report out/chaos/*.json

exit codes: 0 written, 1 a file is no result of chaos.py, or the page has no place for the table
"""
ROWS = {
    "sigkills": "SIGKILLs",
    "messages_published": "messages published",
    "messages_journaled": "journaled",
    "messages_scored_while_the_disk_failed": "scored while the disk failed",
    "messages_lost": "messages lost",
    "messages_of_loud_neighbours": "messages of loud neighbours at QoS 0",
    "windows_expected": "windows expected",
    "windows_scored": "windows scored",
    "windows_lost": "windows lost",
    "windows_duplicated": "windows scored twice",
    "streams_with_another_end": "streams with another end",
    "windows_of_victims": "windows of their slow neighbours",
    "windows_of_victims_lost": "of these lost",
    "alert_steps_expected": "alert steps expected",
    "alert_steps_seen": "alert steps seen",
    "alert_steps_missing": "missing",
    "alert_steps_unexpected": "unexpected",
    "alert_steps_repeated": "said twice",
    "ended_calm": "alerts that ended because the device calmed down",
    "ended_gone": "because it was gone, or forgotten by command",
    "ended_muted": "because it was muted",
    "ended_relearn": "because it was to learn anew",
    "ended_reconfigured": "because it was reconfigured",
    "wrong_end_reasons": "wrong reasons of ends",
    "commands_given": "commands",
    "commands_not_applied_once": "not applied once",
    "retained_states_left": "retained states of streams that are no more",
}


def table(results: Sequence[dict[str, Any]]) -> str:
    """Lay out results as a table with a column for each seed.

    Raises:
        KeyError: a result lacks a figure.

    """
    results = sorted(results, key=lambda result: int(result["seed"]))
    lines = ["| | " + " | ".join(f"seed {result['seed']}" for result in results) + " |"]
    lines.append("| --- |" + " ---: |" * len(results))
    for name, title in ROWS.items():
        lines.append(f"| {title} | " + " | ".join(f"{result['figures'][name]:,}" for result in results) + " |")
    return "\n".join(lines) + "\n"


def placed(page: str, new: str) -> str:
    """Put the table where the last one is.

    Raises:
        ValueError: there is no such place.

    """
    before, begin, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError("the page has no place for the table")
    return f"{before}{begin}\n{new}\n{end}{after}"


def main() -> int:
    """Write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, nargs="+", metavar="FILE", help="what `chaos.py --json` wrote")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page to write to (docs/reliability.md)")
    args = parser.parse_args()
    try:
        results = [json.loads(file.read_text("utf-8")) for file in args.results]
        args.page.write_text(placed(args.page.read_text("utf-8"), table(results)), "utf-8")
    except (OSError, KeyError, ValueError) as error:
        sys.stderr.write(f"chaos_report: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
