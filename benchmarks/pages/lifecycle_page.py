"""Write the tables of docs/refit.md from what the lifecycle benchmark measured.

In the page, what stands between `<!-- tables: lifecycle -->` and `<!-- end -->` is replaced; what people wrote around
it stays. The plots are written by the benchmark itself.
"""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.pages.performance_page import PageError, replaced, table

PAGE = Path(__file__).resolve().parents[2] / "docs" / "refit.md"

Figures = dict[str, Any]  # the benchmark's JSON


def tables(figures: Figures) -> str:
    """All tables, Markdown."""
    found = [arms(figures), targets(figures), person(figures)]
    if figures["nab"]:
        found.append(nab(figures))
    return "\n".join(found)


def arms(figures: Figures) -> str:
    """A row for each arm."""
    head = (
        *("arm", "false alarms, seen / asked", "by seed", "streams beyond chance", "firing without cause"),
        *("faults caught", "learnt", "days to the alert: 10 %, 50 %, 90 %"),
    )
    rows = [
        (
            row["arm"],
            f"{row['false_alarms']} / {row['asked']:.0f} = {row['ratio']:.2f}",
            "{:.2f} to {:.2f}".format(*row["ratios"]),
            f"{row['beyond']} of {row['streams']}",
            f"{row['firing']:.2%}",
            f"{row['caught']} of {row['faults']}{_listed(row['missed'])}",
            f"{row['learnt']}{_listed(row['learnt_kinds'])}",
            "{:.1f}, {:.1f}, {:.1f}".format(*row["delays_days"]),
        )
        for row in figures["rows"]
    ]
    return table(head, rows)


def targets(figures: Figures) -> str:
    """What was aimed at and what was reached."""
    rows = [
        (
            each["name"],
            f"{each['target']:g}",
            f"{each['reached']:.3g} {each['unit']}",
            "yes" if each["met"] else "**no**",
        )
        for each in figures["targets"]
    ]
    return table(("target", "aimed at", "reached", "met"), rows)


def person(figures: Figures) -> str:
    """What the person did and what refits came to, over all seeds."""
    seeds = figures["seeds"]
    labels = sum((Counter(seed["labels"]) for seed in seeds), Counter[str]())
    came_to = Counter(refit["came_to"] for seed in seeds for refit in seed["refits"])
    rows = [
        ("quarters played", f"{len(seeds)}"),
        ("motors accepted", f"{sum(sum(seed['accepted'].values()) for seed in seeds)}"),
        ("of them with a fault", f"{sum(seed['faults_accepted'] for seed in seeds)}"),
        ("labels", ", ".join(f"{count} {kind}" for kind, count in labels.most_common())),
        ("refits", ", ".join(f"{count} {what}" for what, count in came_to.most_common())),
    ]
    return table(("of all seeds", "count"), rows)


def nab(figures: Figures) -> str:
    """The recordings of the Numenta benchmark."""
    rows = [
        (
            one["name"].removeprefix("nab-"),
            f"{one['days']:.0f}",
            f"{one['hit']} of {one['windows']}",
            f"{one['events']} ({one['interval'][0]:.1f} to {one['interval'][1]:.1f})",
            f"{one['firing']:.2%}",
        )
        for one in figures["nab"]
    ]
    return table(("recording", "days", "windows hit", "events outside (95 %)", "firing without cause"), rows)


def main() -> int:
    """Renew the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("json", type=Path, help="what `python -m benchmarks.lifecycle --json` wrote")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page to renew (docs/refit.md)")
    args = parser.parse_args()
    try:
        figures = json.loads(args.json.read_text(encoding="utf-8"))
        text = replaced(args.page.read_text(encoding="utf-8"), {"lifecycle": tables(figures)})
    except (OSError, json.JSONDecodeError, PageError) as error:
        print(f"lifecycle_page: {error}", file=sys.stderr)
        return 1
    args.page.write_text(text, encoding="utf-8")
    return 0


def _listed(kinds: dict[str, int]) -> str:
    text = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    return f" ({text})" if text else ""


if __name__ == "__main__":
    sys.exit(main())
