"""What a process frees it gets back without asking the system, page by page."""

import platform
import subprocess
import sys

import pytest

# As layers do: several large blocks at once, written to, then all of them freed.
_FREE_AND_TAKE = """
import resource, sys
from monitor.adapters.engines.allocator import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
def batch():
    blocks = [bytes([1]) * (4 << 20) for _ in range(6)]
batch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    batch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(what: str) -> int:
    """How many pages ten batches had to fetch from the system."""
    command = [sys.executable, "-c", _FREE_AND_TAKE, what]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_freed_memory_is_kept_for_the_next_batch() -> None:
    assert faults("keep") < 1000 < faults("as it comes")
