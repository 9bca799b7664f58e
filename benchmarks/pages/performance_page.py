"""Write the tables and pictures of docs/performance.md from what the benchmarks measured.

Reads the JSON of throughput, latency, memory, scoring and stages, and the plots beside it. In the page, what stands
between `<!-- tables: NAME -->` and `<!-- end -->` is replaced; what people wrote around it stays. What a CUDA device
does is renewed only from scoring-cuda.json, which benchmarks/scoring/scoring.py writes on a machine that has one.
"""

import argparse
import json
import re
import shutil
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "performance.md"
NAMES = ("throughput", "latency", "memory", "scoring", "stages")
CUDA = "scoring-cuda"
_WITHOUT_PLOT = "stages"
_MET = {True: "yes", False: "**no**"}
_SECTION = r"(<!-- tables: {name} -->\n).*?(<!-- end -->)"

Figures = dict[str, Any]  # one benchmark's JSON


class PageError(Exception):
    """The page cannot be written; the text says why."""


def table(head: Iterable[str], rows: Iterable[Iterable[str]], texts: int = 1) -> str:
    """A Markdown table; all columns but the first `texts` hold numbers."""
    columns = list(head)
    rule = ["---"] * texts + ["---:"] * (len(columns) - texts)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (columns, rule, *rows)) + "\n"


def replaced(page: str, sections: dict[str, str]) -> str:
    """The page with other sections.

    Raises:
        PageError: it has no place for one of them.

    """
    for name, text in sections.items():
        pattern = re.compile(_SECTION.format(name=name), re.DOTALL)
        if not pattern.search(page):
            raise PageError(f"the page lacks <!-- tables: {name} --> … <!-- end -->")
        page = pattern.sub(lambda found, text=text: f"{found[1]}{text}{found[2]}", page)  # type: ignore[misc]
    return page


def targets(figures: dict[str, Figures]) -> str:
    """What was aimed at and what was reached, over all benchmarks."""
    rows = [
        (
            each["name"],
            f"{each['target']:.4g}",
            f"{each['reached']:.3g}",
            each["unit"],
            "yes" if each["met"] else "**no**",
        )
        for name in NAMES
        for each in figures[name]["targets"]
    ]
    quick = [name for name in NAMES if figures[name]["quick"]]
    warning = f"\nOnly a quick look was taken (`--quick`) with: {', '.join(quick)}.\n" if quick else ""
    return table(("what", "target", "reached", "unit", "met"), rows) + warning


def throughput(figures: Figures) -> str:
    """Medians over the rounds, with the values they lie between."""
    by_contestant: dict[tuple[str, str, str], list[Figures]] = defaultdict(list)
    for turn in figures["turns"]:
        by_contestant[turn["workload"], turn["mode"], turn["contestant"]].append(turn)
    rows = []
    for (workload, mode, contestant), turns in by_contestant.items():
        rated = [turn for turn in turns if turn["messages"]]
        windows = [turn["windows"] / turn["seconds"] for turn in turns if turn["windows"]]
        cells = [
            _spread([turn["messages"] / turn["seconds"] for turn in rated]),
            _spread(windows),
            f"{median(turn['cpu_seconds'] / turn['messages'] * 1e6 for turn in rated):.3g}" if rated else "",
            f"{median(turn['cpu_seconds'] / turn['seconds'] for turn in rated):.0%}" if rated else "",
            f"{median(turn['rss_bytes'] for turn in rated) / 1e6:.0f}" if rated else "",
        ]
        rows.append((f"{workload} {mode}", contestant, *cells))
    head = ("workload", "who", "messages/s", "windows/s", "µs per message", "of a core", "MB")
    return table(head, rows, texts=2) + "\n![throughput](performance/throughput.png)\n"


def latency(figures: Figures) -> str:
    """Percentiles by load, and how long scrapes took."""
    rows = [
        (
            each["what"],
            f"{each['streams']:,}",
            f"{each['messages_per_second']:,.0f}",
            f"{each['daemon_share_of_a_core']:.0%}",
            f"{each['count']:,}",
            *(f"{each['percentiles_seconds'][level] * 1e3:.0f}" for level in ("p50", "p90", "p99", "p100")),
        )
        for each in figures["latencies"]
        if each["count"]
    ]
    scrapes = [each["seconds"] for each in figures["scrapes"]]
    head = ("what", "devices", "messages/s", "of a core", "n", "p50 ms", "p90 ms", "p99 ms", "longest ms")
    return (
        table(head, rows)
        + f"\nHighest load held: {figures['highest_messages_per_second']:,.0f} messages/s. {len(scrapes)} scrapes of "
        + f"10,000 streams: median {median(scrapes) * 1e3:.0f} ms, slowest {max(scrapes) * 1e3:.0f} ms.\n"
        + "\n![latency](performance/latency.png)\n"
    )


def memory(figures: Figures) -> str:
    """Resident memory by how many streams there are."""
    rows = [(f"{int(streams):,}", f"{rss / 1e6:.0f}") for streams, rss in figures["rss_bytes"]["by_streams"].items()]
    return table(("streams", "MB"), rows, texts=0) + "\n![memory](performance/memory.png)\n"


def scoring(figures: Figures) -> str:
    """Thousands of windows a second by batch size; the batch that residuald chose is bold."""
    return _rates(figures) + "\n![scoring](performance/scoring.png)\n"


def scoring_cuda(figures: Figures) -> str:
    """The same on a machine with a CUDA device, and which one that is."""
    return f"{figures['cuda']}, torch {figures['machine']['packages']['torch']}; {_rates(figures)}"


def _rates(figures: Figures) -> str:
    parts = []
    for model in figures["models"].values():
        names = list(model["rates"])
        rows = [(size, *(_rate(model, name, size) for name in names)) for size in model["rates"][names[0]]]
        parts.append(f"{model['title']}, thousand windows/s:\n\n" + table(("batch", *names), rows, texts=0))
    return "\n".join(parts)


def stages(figures: Figures) -> str:
    """Processor time per message, by stage and workload."""
    measured = figures["us_per_message"]
    names = list(next(iter(measured.values())))
    rows = [(name, *(f"{each[name]:.2f}" for each in measured.values())) for name in names]
    rows.append(("together", *(f"{sum(each.values()):.2f}" for each in measured.values())))
    return table(("µs per message", *measured), rows)


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _rate(model: Figures, name: str, size: str) -> str:
    text = f"{model['rates'][name][size]['median'] / 1e3:.1f}"
    return f"**{text}**" if str(model["chosen"].get(name)) == size else text


def _spread(values: list[float]) -> str:
    return f"{median(values):,.0f} ({min(values):,.0f}…{max(values):,.0f})" if values else ""


_SECTIONS: dict[str, Callable[[Figures], str]] = {
    "throughput": throughput,
    "latency": latency,
    "memory": memory,
    "scoring": scoring,
    "stages": stages,
}


def main(arguments: list[str] | None = None) -> int:
    """Write the page; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the JSON files and plots lie")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page to renew (docs/performance.md)")
    args = parser.parse_args(arguments)
    try:
        figures = {name: json.loads((args.folder / f"{name}.json").read_text(encoding="utf-8")) for name in NAMES}
        sections = {name: write(figures[name]) for name, write in _SECTIONS.items()}
        cuda = args.folder / f"{CUDA}.json"
        if cuda.exists():
            sections[CUDA] = scoring_cuda(json.loads(cuda.read_text(encoding="utf-8")))
        page = replaced(args.page.read_text(encoding="utf-8"), {"targets": targets(figures), **sections})
        pictures = args.page.with_suffix("")
        pictures.mkdir(exist_ok=True)
        for name in set(NAMES) - {_WITHOUT_PLOT}:
            shutil.copyfile(args.folder / f"{name}.png", pictures / f"{name}.png")
    except (OSError, PageError) as error:
        print(f"{error}; run the benchmarks first: make bench", file=sys.stderr)
        return 1
    args.page.write_text(page, encoding="utf-8")
    print(f"written: {args.page}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
