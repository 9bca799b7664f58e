"""Every parser against its corpus, past findings among it, and against what a fuzzer thinks up in half a minute."""

import importlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
NAMES = sorted(path.stem for path in (FOLDER / "harness").glob("*.py"))
SECONDS = 30 // len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_corpus_breaks_no_invariant(name: str) -> None:
    harness = importlib.import_module(f"tests.fuzz.harness.{name}")
    corpus = sorted((FOLDER / "corpus" / name).iterdir())
    assert corpus, "a harness without a corpus finds next to nothing"
    for path in corpus:
        harness.one(path.read_bytes())


@pytest.mark.parametrize("name", NAMES)
def test_each_harness_says_its_invariant_first(name: str) -> None:
    assert (FOLDER / "harness" / f"{name}.py").read_text().startswith("# ")


@pytest.mark.integration
def test_a_fuzzer_breaks_no_invariant(tmp_path: Path) -> None:
    pytest.importorskip("atheris", reason="Atheris has no build for this machine")

    def fuzz(name: str) -> str:
        found = tmp_path / name
        found.mkdir()
        options = [f"-max_total_time={SECONDS}", "-timeout=20", "-rss_limit_mb=2000", f"-artifact_prefix={found}/"]
        done = subprocess.run(
            # what it learns goes into the first folder, so that the corpus stays as it is
            [sys.executable, "-m", "tests.fuzz.fuzz", name, *options, found],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        return "" if done.returncode == 0 else f"{name}: {done.stdout[-3000:]}{done.stderr[-3000:]}"

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        broken = [report for report in pool.map(fuzz, NAMES) if report]
    assert not broken, "\n".join(broken)
